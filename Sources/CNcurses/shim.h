#pragma once
#ifndef _XOPEN_SOURCE
#define _XOPEN_SOURCE 700 // wcwidth
#endif
#define NCURSES_WIDECHAR 1
#define NCURSES_NOMACROS 1
#include <curses.h>
#include <locale.h>
#include <unistd.h>
#include <wchar.h>

// stdscr, LINES and COLS are global variables, which Swift may not read; attributes and key codes are macros.
enum { WVS_BOLD = 1, WVS_DIM = 2, WVS_REVERSE = 4, WVS_RED = 8, WVS_GREEN = 16, WVS_YELLOW = 32, WVS_CYAN = 64 };
enum { WVS_KEY_NONE = -1, WVS_KEY_UP = 0x110000, WVS_KEY_DOWN, WVS_KEY_PAGE_UP, WVS_KEY_PAGE_DOWN, WVS_KEY_HOME, WVS_KEY_END,
       WVS_KEY_BACKSPACE, WVS_KEY_RESIZE, WVS_KEY_OTHER };

/// Takes the terminal over; 0 where it can not be driven.
static inline int wvs_curses_start(int colors) {
    setlocale(LC_ALL, "");
    if (!newterm(NULL, stdout, stdin)) return 0;
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    set_escdelay(50);
    curs_set(0);
    if (colors && has_colors()) {
        start_color();
        use_default_colors();
        init_pair(1, COLOR_RED, -1);
        init_pair(2, COLOR_GREEN, -1);
        init_pair(3, COLOR_YELLOW, -1);
        init_pair(4, COLOR_CYAN, -1);
    }
    return 1;
}
static inline void wvs_curses_end(void) { endwin(); }
static inline int wvs_curses_lines(void) { return getmaxy(stdscr); }
static inline int wvs_curses_columns(void) { return getmaxx(stdscr); }
static inline void wvs_curses_clear(void) { erase(); }
static inline void wvs_curses_show(void) { refresh(); }
static inline void wvs_curses_put(int line, int column, int style, const char *text) {
    attr_t attributes = A_NORMAL;
    if (style & WVS_BOLD) attributes |= A_BOLD;
    if (style & WVS_DIM) attributes |= A_DIM;
    if (style & WVS_REVERSE) attributes |= A_REVERSE;
    short pair = style & WVS_RED ? 1 : style & WVS_GREEN ? 2 : style & WVS_YELLOW ? 3 : style & WVS_CYAN ? 4 : 0;
    attr_set(attributes, pair, NULL);
    mvaddstr(line, column, text);
}
/// The next key, or WVS_KEY_NONE after so many milliseconds; text comes as its code points.
static inline int wvs_curses_key(int milliseconds) {
    wtimeout(stdscr, milliseconds);
    wint_t key;
    int kind = get_wch(&key);
    if (kind == ERR) return WVS_KEY_NONE;
    if (kind != KEY_CODE_YES) return (int)key;
    switch (key) {
        case KEY_UP: return WVS_KEY_UP;
        case KEY_DOWN: return WVS_KEY_DOWN;
        case KEY_PPAGE: return WVS_KEY_PAGE_UP;
        case KEY_NPAGE: return WVS_KEY_PAGE_DOWN;
        case KEY_HOME: return WVS_KEY_HOME;
        case KEY_END: return WVS_KEY_END;
        case KEY_BACKSPACE: return WVS_KEY_BACKSPACE;
        case KEY_RESIZE: return WVS_KEY_RESIZE;
        case KEY_ENTER: return '\r';
        default: return WVS_KEY_OTHER;
    }
}
/// How many columns a terminal gives a code point; 0 for what it does not show.
static inline int wvs_columns(unsigned int point) {
    int width = wcwidth((wchar_t)point);
    return width > 0 ? width : 0;
}
