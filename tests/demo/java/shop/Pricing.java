package shop;

/** Burns CPU time: three parts in applyDiscounts, and one in computeTax, or as many as the property shop.tax says. */
final class Pricing {
    private static final int UNIT = 500_000;
    private static final int TAX = UNIT * Integer.getInteger("shop.tax", 1);

    long price(int order) {
        return applyDiscounts(order) + computeTax(order);
    }

    private static long applyDiscounts(long x) {
        for (int i = 0; i < 3 * UNIT; i++) {
            x = x * 6364136223846793005L + 1442695040888963407L;
            x ^= x >>> 17;
        }
        return x;
    }

    private static long computeTax(long x) {
        for (int i = 0; i < TAX; i++) {
            x = x * 6364136223846793005L + 1442695040888963407L;
            x ^= x >>> 17;
        }
        return x;
    }
}
