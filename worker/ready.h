/* How davit-build --ready ends, besides 0: all answers. */
#ifndef DAVIT_WORKER_READY_H
#define DAVIT_WORKER_READY_H

#define READY_NO_STORE 2
#define READY_NO_DOCKER 3
#define READY_NO_NETWORK 4

#endif
