private import CNcurses
private import Glibc
import RuntimeCore

extension Command {
    static let top = Command(
        "top", "", "watch and steer everything on one screen", positionals: [], example: "top --context lab"
    ) { invocation throws(CommandError) in
        guard isatty(STDIN_FILENO) == 1, isatty(STDOUT_FILENO) == 1 else {
            throw CommandError(.usage, "top needs a terminal", hint: "wvsctl task list")
        }
        // A wrong address is to be said before the screen is taken.
        let url = try invocation.client.baseURL
        let feed = try TopFeed()
        feed.start(server: url)
        let signal = try TopLoop(feed: feed, usesColor: invocation.output.terminal.usesColor).run()
        feed.end()
        if signal != 0 { exit(128 + signal) }
    }
}

/// The signal that asks the loop to end; 0 where none did.
private nonisolated(unsafe) var caught: CInt = 0

/// Keys, news and drawing, until the person or a signal ends it.
private struct TopLoop {
    let feed: TopFeed
    let usesColor: Bool

    /// - Returns: the signal that ended it, or 0.
    func run() throws(CommandError) -> CInt {
        for number in [SIGINT, SIGTERM, SIGHUP, SIGQUIT] { signal(number) { caught = $0 } }
        guard wvs_curses_start(usesColor ? 1 : 0) != 0 else {
            throw CommandError(.failed, "this terminal cannot be driven: TERM names no known one")
        }
        // Whatever happens below, the terminal is given back.
        defer { wvs_curses_end() }
        var model = TopModel()
        while caught == 0 {
            draw(model)
            var waited = [
                pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0),
                pollfd(fd: feed.news, events: Int16(POLLIN), revents: 0),
            ]
            // A signal, also that of a resize, interrupts it.
            poll(&waited, 2, -1)
            if waited[0].revents & Int16(POLLHUP) != 0 { return SIGHUP }
            let (sight, notices) = feed.take()
            model.receive(sight)
            for notice in notices { model.tell(notice) }
            var key = wvs_curses_key(0)
            while key != CInt(WVS_KEY_NONE) {
                if let pressed = Self.key(key), let effect = model.press(pressed) {
                    switch effect {
                    case .quit: return 0
                    case .perform(let action): feed.perform(action)
                    }
                }
                key = wvs_curses_key(0)
            }
            feed.want(workspace: model.workspace, followed: model.followed)
        }
        return caught
    }

    private func draw(_ model: TopModel) {
        let screen = TopScreen(model: model, width: Int(wvs_curses_columns()), height: Int(wvs_curses_lines()))
        wvs_curses_clear()
        for (line, spans) in screen.lines.enumerated() {
            var column = 0
            for span in spans {
                wvs_curses_put(CInt(line), CInt(column), CInt(span.style.rawValue), span.text)
                column += columns(span.text)
            }
        }
        wvs_curses_show()
    }

    private static func key(_ code: CInt) -> TopModel.Key? {
        switch Int32(code) {
        case Int32(WVS_KEY_UP): .up
        case Int32(WVS_KEY_DOWN): .down
        case Int32(WVS_KEY_PAGE_UP): .pageUp
        case Int32(WVS_KEY_PAGE_DOWN): .pageDown
        case Int32(WVS_KEY_HOME): .home
        case Int32(WVS_KEY_END): .end
        case Int32(WVS_KEY_BACKSPACE), 8, 127: .backspace
        case 9: .tab
        case 10, 13: .enter
        case 27: .escape
        case 32...0x10FFFF:
            Unicode.Scalar(UInt32(code)).map { .character(Character($0)) }
        default: nil
        }
    }
}
