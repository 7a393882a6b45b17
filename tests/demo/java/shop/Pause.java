package shop;

/** Stands for the slow work that is done while a lock is held. */
final class Pause {
    private Pause() {}

    static void millis(long n) {
        try {
            Thread.sleep(n);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
