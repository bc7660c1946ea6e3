/** The only importer of the binding: who wants native code asks here. */
export {
  crc32,
  decodeHeader,
  encodeHeader,
  NativeChronicle,
  NativeMmapFile,
  NativeReader,
  NativeWaiter,
  NativeWriter,
} from '../native/binding.cjs'
export type { NativeHeader, NativeOptions, NativeRecovery, NativeStats } from '../native/binding.cjs'
