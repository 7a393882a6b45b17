package shop;

/** Allocates: four parts of the bytes in pages, one part in lines. */
final class Receipt {
    private static final int LINE = 1_024 - 16; // with its header, 1 KiB
    private static final int PAGE = 16 * 1_024 - 16;
    private volatile byte[] last;

    long render(long price) {
        long length = 0;
        for (int i = 0; i < 64; i++) {
            length += page().length;
            for (int j = 0; j < 4; j++) {
                length += line().length;
            }
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
