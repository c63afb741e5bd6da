/* Event sets, as far as shutting down is concerned. */
#ifndef EVENTS_H
#define EVENTS_H

/* What the last shutdown does with the sets that a client left behind. */
void drop_event_sets(void);

#endif
