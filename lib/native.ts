/** The only importer of the binding: who wants native code asks here. */
export {
  crc32,
  decodeHeader,
  encodeHeader,
  NativeChronicle,
  NativeMmapFile,
  NativeProgress,
  NativeReader,
  NativeWaiter,
  NativeWriter,
  repair,
  verify,
} from '../native/binding.cjs'
export type {
  NativeEvent,
  NativeHeader,
  NativeOptions,
  NativeRecovery,
  NativeRetention,
  NativeStats,
} from '../native/binding.cjs'
