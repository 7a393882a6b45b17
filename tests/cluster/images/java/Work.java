import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A service whose profile is known: two threads spend three quarters of their
 * CPU time in price() and one quarter in discount(), allocate three quarters of
 * their bytes in render() and one quarter in pack(), and wait for each other three
 * quarters of that time in reserve() and one quarter in bill(). It answers HTTP on
 * PORT (8080) with its process id. LOAD is the work of a round, in thousands of
 * steps; EXIT_AFTER and CRASH_AFTER end it after so many seconds, in order or by a
 * halt.
 */
public class Work {
    private static final int LOAD = 1000 * setting("LOAD", 200);
    private static final ReentrantLock STOCK = new ReentrantLock(true); // the two take turns
    private static final int BOOKINGS = 5; // in a round: no multiple of 4, so that each place in it is a bill at times
    static volatile long sink;
    static volatile byte[] kept;

    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < 2; i++) {
            Thread worker = new Thread(Work::work, "work-" + i);
            worker.setDaemon(true);
            worker.start();
        }
        endAfter(setting("EXIT_AFTER", 0), 0);
        endAfter(setting("CRASH_AFTER", 0), 7);
        try (ServerSocket server = new ServerSocket(setting("PORT", 8080), 64, InetAddress.getByName("0.0.0.0"))) {
            System.out.println("work: ready");
            while (true) {
                answer(server.accept());
            }
        }
    }

    static int setting(String name, int otherwise) {
        String text = System.getenv(name);
        return text == null ? otherwise : Integer.parseInt(text);
    }

    static void endAfter(int seconds, int status) {
        if (seconds == 0) {
            return;
        }
        Thread end = new Thread(() -> {
            pause(1000L * seconds);
            if (status == 0) {
                System.exit(0);
            }
            Runtime.getRuntime().halt(status);
        }, "end");
        end.setDaemon(true);
        end.start();
    }

    static void answer(Socket socket) {
        try (Socket open = socket; OutputStream out = open.getOutputStream()) {
            open.setSoTimeout(1000);
            byte[] request = new byte[4096];
            int read = open.getInputStream().read(request);
            if (read > 0) {
                String body = "pid " + ProcessHandle.current().pid() + "\n";
                out.write(("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + body.length() + "\r\n\r\n" + body).getBytes(StandardCharsets.US_ASCII));
            }
        } catch (IOException e) {
            // a caller that goes away is no event
        }
    }

    static void work() {
        for (int booking = 0; ; booking += BOOKINGS) {
            price();
            discount();
            render();
            pack();
            book(booking);
        }
    }

    static void price() {
        sink += spin(3 * LOAD);
    }

    static void discount() {
        sink += spin(LOAD);
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
        for (int i = 0; i < 750; i++) {
            kept = new byte[1024];
        }
    }

    static void pack() {
        for (int i = 0; i < 250; i++) {
            kept = new byte[1024];
        }
    }

    static void book(int first) {
        for (int i = 0; i < BOOKINGS; i++) {
            if ((first + i & 3) == 3) {
                bill();
            } else {
                reserve();
            }
        }
    }

    static void reserve() {
        hold();
    }

    static void bill() {
        hold();
    }

    static void hold() {
        STOCK.lock();
        try {
            pause(4);
        } finally {
            STOCK.unlock();
        }
    }

    static void pause(long millis) {
        try {
            Thread.sleep(millis);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
