package shop;

import java.util.concurrent.locks.ReentrantLock;

/** Threads wait here for a ReentrantLock. */
final class Ledger {
    private final ReentrantLock lock = new ReentrantLock();
    private long entries;

    long append() {
        lock.lock();
        try {
            Pause.millis(3);
            return ++entries;
        } finally {
            lock.unlock();
        }
    }
}
