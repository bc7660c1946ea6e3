// An optional package, loaded by who asks for it. CommonJS, because only `require` answers at once; within `try`, because
// bundlers then take it for one that may be missing.
exports.load = function load(missing) {
  try {
    return require('msgpackr')
  } catch (cause) {
    throw missing(cause)
  }
}
