import RuntimeCore

/// `.wvs/open-files.json`: a section from each sidecar, tied to its acknowledgement by the nonce.
struct OpenFilesFile {
    static let name = "open-files.json"
    static let maximumSize = 64 * 1024

    struct Section: Equatable {
        let nonce: String
        let openFiles: OpenFiles
    }

    let directory: ControlDirectory

    /// Puts one sidecar's section beside those that others wrote in the same epoch. Call it with the control lock held.
    func write(_ section: Section, of id: String, epoch: UInt64) throws(SystemError) {
        var sections = read(epoch: epoch)
        sections[id] = section
        var text = Self.text(sections, epoch: epoch)
        if text.utf8.count > Self.maximumSize {
            sections[id] = Section(nonce: section.nonce, openFiles: OpenFiles(complete: false, files: []))
            text = Self.text(sections, epoch: epoch)
        }
        try directory.write(Self.name, Array(text.utf8))
    }

    /// The lists behind these acknowledgements as one; incomplete where a sidecar's is missing or answers another nonce.
    func read(epoch: UInt64, acknowledgements: [String: Acknowledgement]) -> OpenFiles {
        let sections = read(epoch: epoch)
        var result = OpenFiles(complete: true, files: [])
        for (id, acknowledgement) in acknowledgements.sorted(by: { $0.key < $1.key }) {
            guard let section = sections[id], section.nonce == acknowledgement.nonce else {
                result.complete = false
                continue
            }
            result.complete = result.complete && section.openFiles.complete
            result.files += section.openFiles.files
        }
        return result
    }

    private func read(epoch: UInt64) -> [String: Section] {
        guard case .bytes(let bytes) = directory.read(Self.name, limit: Self.maximumSize) else { return [:] }
        // A list of another epoch, or one that makes no sense, is none: then `complete` is false.
        return (try? Self.parse(bytes, epoch: epoch)) ?? [:]
    }

    private static func text(_ sections: [String: Section], epoch: UInt64) -> String {
        var writer = JSONWriter()
        writer.object { writer in
            writer.member("version", 1)
            writer.member("epoch", epoch)
            writer.name("sidecars")
            writer.object { writer in
                for (id, section) in sections.sorted(by: { $0.key < $1.key }) {
                    writer.name(id)
                    write(section, to: &writer)
                }
            }
        }
        return writer.text + "\n"
    }

    private static func write(_ section: Section, to writer: inout JSONWriter) {
        writer.object { writer in
            writer.member("nonce", section.nonce)
            writer.member("complete", section.openFiles.complete)
            writer.name("files")
            writer.array { writer in
                for file in section.openFiles.files {
                    writer.object { writer in
                        writer.member("inode", file.inode)
                        writer.member("path", file.path)
                        writer.member("flushed", file.flushed)
                    }
                }
            }
        }
    }

    private static func parse(_ bytes: [UInt8], epoch: UInt64) throws(Malformed) -> [String: Section] {
        var members = try JSONMembers(try JSONReader.parse(bytes))
        try members.version(1)
        guard try members.integer("epoch", in: 0...UInt64.max) == epoch else { throw Malformed("epoch") }
        var sections: [String: Section] = [:]
        for (id, node) in try members.object("sidecars", limit: ControlDocument.maximumSidecars) {
            var section = try JSONMembers(node)
            let nonce = try section.string("nonce", limit: 32)
            let complete = try section.flag("complete")
            var files: [OpenFiles.File] = []
            for element in try section.elements("files", limit: maximumSize) {
                var file = try JSONMembers(element)
                files.append(
                    OpenFiles.File(
                        inode: try file.integer("inode", in: 0...UInt64.max),
                        path: try file.string("path", limit: maximumSize), flushed: try file.flag("flushed")))
                try file.finish()
            }
            try section.finish()
            sections[id] = Section(nonce: nonce, openFiles: OpenFiles(complete: complete, files: files))
        }
        try members.finish()
        return sections
    }
}
