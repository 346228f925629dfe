// Apache Kafka's own producer state, asked batch by batch over standard input.
//
//   B <hex>      a batch: what becomes of it; accepted, it gets the next offset
//   R <now>      snapshot, and a new state from it, as after a clean restart at that time
//   P            all producers, and the first offset of the oldest open transaction
//
// Run as a single source file, with Kafka's jars as the class path.
import java.io.BufferedReader;
import java.io.File;
import java.io.InputStreamReader;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.util.HexFormat;
import java.util.Optional;
import java.util.TreeMap;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.InvalidTxnStateException;
import org.apache.kafka.common.errors.OutOfOrderSequenceException;
import org.apache.kafka.common.errors.TransactionCoordinatorFencedException;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.MutableRecordBatch;
import org.apache.kafka.common.utils.Time;
import org.apache.kafka.storage.internals.log.AppendOrigin;
import org.apache.kafka.storage.internals.log.BatchMetadata;
import org.apache.kafka.storage.internals.log.CompletedTxn;
import org.apache.kafka.storage.internals.log.ProducerAppendInfo;
import org.apache.kafka.storage.internals.log.ProducerStateEntry;
import org.apache.kafka.storage.internals.log.ProducerStateManager;
import org.apache.kafka.storage.internals.log.ProducerStateManagerConfig;

public class ProducerRules {
    static final int EXPIRY_MS = 86_400_000;
    static File directory;
    static ProducerStateManager state;
    static long next = 0;

    static ProducerStateManager open() throws Exception {
        return new ProducerStateManager(new TopicPartition("t", 0), directory, 900_000,
                new ProducerStateManagerConfig(EXPIRY_MS, false), Time.SYSTEM);
    }

    static BatchMetadata duplicate(MutableRecordBatch batch) {
        Optional<ProducerStateEntry> entry = state.lastEntry(batch.producerId());
        if (entry.isEmpty() || entry.get().producerEpoch() != batch.producerEpoch()) return null;
        for (BatchMetadata known : entry.get().batchMetadata())
            if (known.firstSeq() == batch.baseSequence() && known.lastSeq() == batch.lastSequence())
                return known;
        return null;
    }

    static String take(byte[] bytes) {
        MutableRecordBatch batch =
                MemoryRecords.readableRecords(ByteBuffer.wrap(bytes)).batches().iterator().next();
        batch.setLastOffset(next + batch.lastOffset() - batch.baseOffset());
        boolean marks = batch.isControlBatch();
        if (!marks) {
            BatchMetadata known = duplicate(batch);
            if (known != null) return "DUPLICATE " + known.firstOffset();
        }
        ProducerAppendInfo info = state.prepareUpdate(batch.producerId(),
                marks ? AppendOrigin.COORDINATOR : AppendOrigin.CLIENT);
        Optional<CompletedTxn> ended;
        try {
            ended = info.append(batch, Optional.empty(), (short) 1); // as with transaction.version 1
        } catch (OutOfOrderSequenceException error) {
            return "SEQUENCE";
        } catch (InvalidProducerEpochException error) {
            return "EPOCH";
        } catch (InvalidTxnStateException error) {
            return "STATE";
        } catch (TransactionCoordinatorFencedException error) {
            return "FENCED";
        }
        state.update(info);
        String answer = "DONE " + batch.baseOffset();
        if (ended.isPresent()) {
            CompletedTxn txn = ended.get();
            if (txn.isAborted())
                answer += " ABORTED " + txn.producerId() + " " + txn.firstOffset() + " "
                        + txn.lastOffset() + " " + state.lastStableOffset(txn);
            state.completeTxn(txn);
        }
        next = batch.lastOffset() + 1;
        state.updateMapEndOffset(next);
        state.onHighWatermarkUpdated(next);
        return answer;
    }

    static String view() {
        StringBuilder text = new StringBuilder("OPEN " + state.firstUndecidedOffset().orElse(-1));
        for (ProducerStateEntry entry : new TreeMap<>(state.activeProducers()).values()) {
            int lastSequence = -1;
            for (BatchMetadata known : entry.batchMetadata()) lastSequence = known.lastSeq();
            text.append(" | ").append(entry.producerId()).append(' ').append(entry.producerEpoch())
                    .append(' ').append(lastSequence).append(' ').append(entry.lastDataOffset())
                    .append(' ').append(entry.lastTimestamp())
                    .append(' ').append(entry.coordinatorEpoch())
                    .append(' ').append(entry.currentTxnFirstOffset().orElse(-1));
        }
        return text.toString();
    }

    public static void main(String[] arguments) throws Exception {
        directory = Files.createTempDirectory("producers").toFile();
        directory.deleteOnExit();
        state = open();
        BufferedReader input = new BufferedReader(new InputStreamReader(System.in));
        StringBuilder output = new StringBuilder();
        for (String line = input.readLine(); line != null; line = input.readLine()) {
            String rest = line.substring(1).trim();
            if (line.charAt(0) == 'B') {
                output.append(take(HexFormat.of().parseHex(rest)));
            } else if (line.charAt(0) == 'R') {
                state.takeSnapshot();
                state = open();
                state.truncateAndReload(0, next, Long.parseLong(rest));
                output.append("READY");
            } else {
                output.append(view());
            }
            output.append('\n');
        }
        System.out.print(output);
        for (File file : directory.listFiles()) file.delete();
    }
}
