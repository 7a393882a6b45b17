package shop;

/** Allocates: four parts of the bytes in pages, one part in lines. */
final class Receipt {
    private static final int LINE = 1_024 - 16; // with its header, 1 KiB
    // Objects above 1/32 of the sampling interval would get shares that are off before
    // Java 25 (JDK-8356372).
    private static final int PAGE = 4 * 1_024 - 16;
    private volatile byte[] last;

    long render(long price) {
        long length = 0;
        for (int i = 0; i < 256; i++) {
            length += page().length;
            length += line().length;
        }
        return price ^ length;
    }

    private byte[] page() {
        byte[] bytes = new byte[PAGE];
        last = bytes;
        return bytes;
    }

    private byte[] line() {
        byte[] bytes = new byte[LINE];
        last = bytes;
        return bytes;
    }
}
