import java.util.concurrent.locks.ReentrantLock;

/**
 * A service whose flame graph can be told in advance: two threads spend about
 * half of their time at work, three quarters of it in price() and one quarter
 * in discount(); render() allocates; and both wait for each other in book().
 */
public class Demo {
    private static final ReentrantLock STOCK = new ReentrantLock();
    static volatile long sink;

    public static void main(String[] args) throws InterruptedException {
        System.out.println("demo: serving imaginary orders");
        Thread first = new Thread(Demo::serve, "orders-1");
        Thread second = new Thread(Demo::serve, "orders-2");
        first.start();
        second.start();
        first.join();
        second.join();
    }

    static void serve() {
        while (true) {
            price();
            discount();
            render();
            book();
        }
    }

    static void price() {
        sink += spin(30_000_000);
    }

    static void discount() {
        sink += spin(10_000_000);
    }

    static long spin(int rounds) {
        long x = sink | 1;
        for (int i = 0; i < rounds; i++) {
            x ^= x << 13;
            x ^= x >>> 7;
            x ^= x << 17;
        }
        return x;
    }

    static void render() {
        StringBuilder page = new StringBuilder();
        for (int i = 0; i < 20_000; i++) {
            page.append("<li>").append(i).append("</li>");
        }
        sink += page.length();
    }

    static void book() {
        STOCK.lock();
        try {
            Thread.sleep(50);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        } finally {
            STOCK.unlock();
        }
    }
}
