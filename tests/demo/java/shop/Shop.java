package shop;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.Executors;

/**
 * A small web shop whose profile is known: of its CPU time, Pricing spends three
 * parts on discounts and one on tax; of its allocations, Receipt makes four
 * parts in pages and one in lines; its threads wait for a monitor in Stock and
 * for a ReentrantLock in Ledger.
 *
 * <p>It prints its port when it is ready, and nothing else.
 */
public final class Shop {
    private final Pricing pricing = new Pricing();
    private final Receipt receipt = new Receipt();
    private final Stock stock = new Stock();
    private final Ledger ledger = new Ledger();

    public static void main(String[] args) throws IOException {
        int port = args.length > 0 ? Integer.parseInt(args[0]) : 0;
        Shop shop = new Shop();
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), port), 64);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/checkout", shop::checkout);
        server.createContext("/reserve", shop::reserve);
        server.start();
        System.out.println(server.getAddress().getPort());
        for (int order = 0; ; order++) {
            shop.forecast(order);
        }
    }

    /** What the main thread does beside the requests. */
    private void forecast(int order) {
        pricing.price(order);
        Pause.millis(100);
    }

    private void checkout(HttpExchange exchange) throws IOException {
        long price = pricing.price(exchange.hashCode());
        answer(exchange, price + receipt.render(price));
    }

    private void reserve(HttpExchange exchange) throws IOException {
        answer(exchange, stock.reserve() + ledger.append());
    }

    private static void answer(HttpExchange exchange, long value) throws IOException {
        byte[] body = Long.toString(value).getBytes(StandardCharsets.UTF_8);
        exchange.sendResponseHeaders(200, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
