import java.util.Arrays;
import java.util.zip.CRC32;
import net.openhft.chronicle.bytes.Bytes;
import net.openhft.chronicle.queue.ChronicleQueue;
import net.openhft.chronicle.queue.ExcerptAppender;
import net.openhft.chronicle.queue.ExcerptTailer;
import net.openhft.chronicle.queue.impl.single.SingleChronicleQueueBuilder;
import net.openhft.chronicle.wire.DocumentContext;

/** Appends payloads to a Chronicle Queue and reads them; prints nanoseconds a message and the checksum of one pass. */
public final class QueueBench {
  private static final int PASSES = 8;
  private static final int WARM_UP = 3;

  public static void main(String[] args) {
    boolean append = args[0].equals("append");
    int size = Integer.parseInt(args[1]);
    int count = Integer.parseInt(args[2]);
    byte[][] payloads = payloads(size, count);
    double[] times = new double[PASSES];
    try (ChronicleQueue queue = open(args[3])) {
      ExcerptAppender appender = queue.createAppender();
      for (int pass = 0; pass < PASSES; pass++) {
        long start = System.nanoTime();
        for (byte[] payload : payloads) write(appender, payload);
        times[pass] = (double) (System.nanoTime() - start) / count;
      }
    }
    for (int pass = 0; pass < PASSES && !append; pass++) {
      // Opened anew, so that each pass maps what it reads, as the others do.
      try (ChronicleQueue queue = open(args[3])) {
        times[pass] = read(queue, size, count);
      }
    }
    long checksum;
    try (ChronicleQueue queue = open(args[3])) {
      checksum = checksum(queue, size, count);
    }
    double[] measured = Arrays.copyOfRange(times, WARM_UP, PASSES);
    Arrays.sort(measured);
    System.out.println("{\"ns\":" + measured[measured.length / 2] + ",\"checksum\":" + checksum + "}");
  }

  /** As makePayloads in payloads.ts. */
  private static byte[][] payloads(int size, int count) {
    byte[][] payloads = new byte[count][size];
    int state = 0x9e3779b9;
    for (byte[] payload : payloads) {
      for (int at = 0; at < size; at++) {
        state ^= state << 13;
        state ^= state >>> 17;
        state ^= state << 5;
        payload[at] = (byte) (0x30 + (state & 0x3f));
      }
    }
    return payloads;
  }

  private static ChronicleQueue open(String path) {
    return SingleChronicleQueueBuilder.binary(path).build();
  }

  private static void write(ExcerptAppender appender, byte[] payload) {
    try (DocumentContext context = appender.writingDocument()) {
      context.wire().bytes().write(payload);
    }
  }

  private static double read(ChronicleQueue queue, int size, int count) {
    ExcerptTailer tailer = queue.createTailer();
    byte[] payload = new byte[size];
    long sum = 0;
    long messages = 0;
    long start = System.nanoTime();
    while (next(tailer, payload)) {
      sum += payload[0];
      messages++;
    }
    long took = System.nanoTime() - start;
    if (messages != (long) count * PASSES || sum == 0) throw new IllegalStateException("messages are missing");
    return (double) took / messages;
  }

  private static boolean next(ExcerptTailer tailer, byte[] payload) {
    try (DocumentContext context = tailer.readingDocument()) {
      if (!context.isPresent()) return false;
      Bytes<?> bytes = context.wire().bytes();
      bytes.read(payload);
      return true;
    }
  }

  private static long checksum(ChronicleQueue queue, int size, int count) {
    ExcerptTailer tailer = queue.createTailer();
    byte[] payload = new byte[size];
    CRC32 crc = new CRC32();
    for (int index = 0; index < count; index++) {
      if (!next(tailer, payload)) throw new IllegalStateException("messages are missing");
      crc.update(payload);
    }
    return crc.getValue();
  }
}
