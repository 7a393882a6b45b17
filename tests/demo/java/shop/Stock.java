package shop;

/** Threads wait here for a monitor. */
final class Stock {
    private long reserved;

    long reserve() {
        synchronized (this) {
            Pause.millis(3);
            return ++reserved;
        }
    }
}
