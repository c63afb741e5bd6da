/* GPM samples, as far as shutting down is concerned. */
#ifndef GPM_H
#define GPM_H

/* What the last shutdown does with the samples that a client left behind. */
void drop_gpm_samples(void);

#endif
