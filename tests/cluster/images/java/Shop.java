import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.locks.ReentrantLock;

/**
 * A service whose callers wait for it: each request on PORT (8080) computes, and
 * allocates a page, and holds a lock for a moment, as a web shop's do. Nothing
 * happens without requests.
 */
public class Shop {
    private static final ReentrantLock STOCK = new ReentrantLock();
    static volatile long sink;

    public static void main(String[] arguments) throws Exception {
        ExecutorService workers = Executors.newFixedThreadPool(8);
        try (ServerSocket server = new ServerSocket(Work.setting("PORT", 8080), 64, InetAddress.getByName("0.0.0.0"))) {
            System.out.println("work: ready");
            while (true) {
                Socket socket = server.accept();
                workers.execute(() -> answer(socket));
            }
        }
    }

    static void answer(Socket socket) {
        try (Socket open = socket; OutputStream out = open.getOutputStream()) {
            open.setSoTimeout(1000);
            if (open.getInputStream().read(new byte[4096]) > 0) {
                byte[] body = page(price()).getBytes(StandardCharsets.US_ASCII);
                out.write(("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: " + body.length + "\r\n\r\n").getBytes(StandardCharsets.US_ASCII));
                out.write(body);
            }
        } catch (IOException e) {
            // a caller that goes away is no event
        }
    }

    static long price() {
        long x = System.nanoTime() | 1;
        for (int i = 0; i < 400_000; i++) {
            x ^= x << 13;
            x ^= x >>> 7;
            x ^= x << 17;
        }
        STOCK.lock();
        try {
            sink += x;
        } finally {
            STOCK.unlock();
        }
        return x;
    }

    static String page(long total) {
        StringBuilder page = new StringBuilder();
        for (int i = 0; i < 2000; i++) {
            page.append("<li>").append(total + i).append("</li>");
        }
        return page.toString();
    }
}
