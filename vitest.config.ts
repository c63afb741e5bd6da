import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    globalSetup: ['test/integration/global-setup.ts'],
    // Engines and agents are processes of their own: two files at once are enough for an ordinary machine.
    maxWorkers: 2,
    testTimeout: 15_000,
    reporters: ['default'],
  },
});
