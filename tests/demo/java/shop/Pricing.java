package shop;

/** Burns CPU time: three parts in applyDiscounts, one in computeTax. */
final class Pricing {
    private static final int UNIT = 500_000;

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
        for (int i = 0; i < UNIT; i++) {
            x = x * 6364136223846793005L + 1442695040888963407L;
            x ^= x >>> 17;
        }
        return x;
    }
}
