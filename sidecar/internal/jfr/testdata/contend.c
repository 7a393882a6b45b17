#define _GNU_SOURCE
#include <jni.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_long waiter; /* the thread that is about to lock the mutex */

static jlong now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* Whether a thread sleeps: one that is about to lock the mutex then waits for it. */
static int sleeps(long thread) {
    char path[64], state = 0;
    snprintf(path, sizeof path, "/proc/self/task/%ld/stat", thread);
    FILE *f = fopen(path, "r");
    if (f == NULL) return 0;
    int n = fscanf(f, "%*d (%*[^)]) %c", &state);
    fclose(f);
    return n == 1 && state == 'S';
}

__attribute__((noinline)) static void *wait_for_mutex(void *total) {
    jlong start = now();
    waiter = syscall(SYS_gettid);
    pthread_mutex_lock(&mutex);
    *(jlong *)total += now() - start;
    pthread_mutex_unlock(&mutex);
    return NULL;
}

/* Has a thread wait for a mutex, 2 ms at least each time. Returns for how long it waited. */
JNIEXPORT jlong JNICALL Java_Native_contend(JNIEnv *env, jclass class, jint rounds) {
    struct timespec hold = {0, 2000000}, look = {0, 100000};
    jlong waited = 0;
    for (int i = 0; i < rounds; i++) {
        pthread_t thread;
        waiter = 0;
        pthread_mutex_lock(&mutex);
        pthread_create(&thread, NULL, wait_for_mutex, &waited);
        while (waiter == 0 || !sleeps(waiter)) nanosleep(&look, NULL);
        nanosleep(&hold, NULL);
        pthread_mutex_unlock(&mutex);
        pthread_join(thread, NULL);
    }
    return waited;
}
