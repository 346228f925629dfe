// Kafka's own generated classes as an oracle for our codec. Each line of the input is a message's
// name, a version and its bytes in hex; each line of the output is what Kafka makes of them: the
// bytes it writes after reading them, or the exception. Runs as a single source file, with Kafka's
// jars on the class path.

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Map;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.ObjectSerializationCache;

public final class KafkaOracle {
    private static final String[] PACKAGES = {
        "org.apache.kafka.common.message",
        "org.apache.kafka.coordinator.group.generated",
        "org.apache.kafka.coordinator.transaction.generated",
        "org.apache.kafka.coordinator.share.generated",
        "org.apache.kafka.common.metadata",
        "org.apache.kafka.server.log.remote.metadata.storage.generated",
        "org.apache.kafka.storage.internals.log.generated",
        "org.apache.kafka.server.storage.log.generated",
        "org.apache.kafka.storage.internals.generated",
        "org.apache.kafka.snapshot",
        "org.apache.kafka.common.record",
    };
    private static final Map<String, Class<?>> CLASSES = new HashMap<>();

    public static void main(String[] args) throws Exception {
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        StringBuilder output = new StringBuilder();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String[] words = line.split(" ", -1);
            output.append(answer(words[0], Short.parseShort(words[1]), words[2])).append('\n');
        }
        System.out.print(output);
    }

    private static String answer(String name, short version, String hex) {
        try {
            // Kafka names the classes of requests and responses, and of data, ...Data.
            Message message = (Message) find(name).getDeclaredConstructor().newInstance();
            ByteBuffer bytes = ByteBuffer.wrap(HexFormat.of().parseHex(hex));
            message.read(new ByteBufferAccessor(bytes), version);
            if (bytes.hasRemaining()) return "error: " + bytes.remaining() + " bytes left";
            ObjectSerializationCache cache = new ObjectSerializationCache();
            ByteBuffer written = ByteBuffer.allocate(message.size(cache, version));
            message.write(new ByteBufferAccessor(written), cache, version);
            return HexFormat.of().formatHex(written.array());
        } catch (Throwable thrown) {
            return "error: " + thrown;
        }
    }

    private static Class<?> find(String name) throws ClassNotFoundException {
        Class<?> found = CLASSES.get(name);
        if (found != null) return found;
        for (String place : PACKAGES) {
            for (String suffix : new String[] {"Data", ""}) {
                try {
                    found = Class.forName(place + "." + name + suffix);
                    if (!Message.class.isAssignableFrom(found)) continue;
                    CLASSES.put(name, found);
                    return found;
                } catch (ClassNotFoundException | NoClassDefFoundError missing) {
                    continue;
                }
            }
        }
        throw new ClassNotFoundException(name);
    }
}
