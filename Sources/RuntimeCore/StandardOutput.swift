private import CShims

/// Writes out what was printed: `print` itself tells nobody when its words do not arrive, for example because the disk is full.
///
/// - Throws: why not everything that this process has printed was written.
package func flushStandardOutput() throws(SystemError) {
    try systemCall("write", "standard output") { wvs_flush_stdout() }
}
