//! docs/commands.md and docs/sekisho.8: the reference of all commands, from the table.

use std::fmt::Write as _;

use crate::rows::{FAMILIES, Family};
use crate::table::{Effect, Home, Row, Standing};
use crate::text::Language;

const HEAD: &str = "# Commands

This page is printed from the command table; do not edit it by hand. One command a line; keywords may be written in any case and
shortened as long as they are not ambiguous; `#` begins a comment; `no` before a command removes it. A word that holds a blank or one
of `? # | > ' \" \\` is put in quotes, or the character gets a backslash before it.

*Scope* says what must be selected before: `pp` after `pp select`, `tunnel` after `tunnel select`, `global` nowhere.

*State* says who follows a command:

- *effective*: this server does.
- *the host's business*: Linux does it already. The line is kept and printed, and the start tells once how it is done there.
- *not of this product*: L2TPv3, ISDN, PPPoE, NGN, switches. The line is kept and printed.
- *comes later*: the line is kept and printed, and nothing follows it yet.
";

/// The reference of all commands, as Markdown: a table for each family.
pub fn manual() -> String {
    let mut out = String::from(HEAD);
    for Family { title, rows, .. } in FAMILIES {
        let _ = write!(
            out,
            "\n## {title}\n\n| command | default | scope | state | what it does | 説明 |\n|---|---|---|---|---|---|\n"
        );
        for row in *rows {
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} | {} | {} |",
                cell(&usage(row)),
                cell(row.default),
                scope(row),
                state(row),
                cell(row.english),
                cell(row.japanese)
            );
        }
    }
    out
}

/// Every command with one line of explanation, as the console's `show command` prints it.
pub fn commands(language: Language) -> String {
    let mut lines: Vec<String> = FAMILIES
        .iter()
        .flat_map(|family| family.rows.iter())
        .map(|row| {
            let what = match language {
                Language::English => row.english,
                Language::Japanese => row.japanese,
            };
            format!("{}: {what}\n", row.usage())
        })
        .collect();
    lines.sort_unstable();
    lines.concat()
}

fn state(row: &Row) -> &'static str {
    match row.standing {
        Standing::Effective => "effective",
        Standing::Host(..) => "the host's business",
        Standing::Foreign => "not of this product",
        Standing::Later => "comes later",
    }
}

fn scope(row: &Row) -> &'static str {
    match (row.effect, row.home()) {
        (Effect::Ask(_), _) => "request",
        (_, Home::Global) => "global",
        (_, Home::Pp) => "pp",
        (_, Home::Tunnel) => "tunnel",
    }
}

/// The syntax with the bounds of its numbers.
fn usage(row: &Row) -> String {
    let usage = row.usage();
    let bounds: Vec<String> = row
        .slots
        .iter()
        .filter(|slot| usage.contains(slot.name))
        .filter_map(|slot| slot.kind.bounds().map(|bounds| format!("{} {bounds}", slot.name)))
        .collect();
    if bounds.is_empty() { usage } else { format!("{usage} ({})", bounds.join(", ")) }
}

const MAN_HEAD: &str = r#".TH SEKISHO 8 "" "Sekisho" "System administration"
.SH NAME
sekisho \- L2TP/IPsec remote-access VPN server that reads the commands of Yamaha routers
.SH SYNOPSIS
.B sekisho quickstart
.br
.B sekisho run
.RB [ --unconfined ]
.B --config
.I FILE
.br
.B sekisho check
.RB [ --config
.IR FILE ]
.RB [ --host ]
.br
.B sekisho show
.I WHAT
.br
.B sekisho disconnect
.I WHICH
.SH DESCRIPTION
One command a line; keywords may be written in any case and shortened as long as they are not ambiguous; # begins a
comment; no before a command removes it. A word that holds a blank or one of ? # | > \(aq \(dq \e is put in quotes, or the
character gets a backslash before it. Commands marked pp stand after pp select, those marked tunnel after tunnel select.
.SH PRIVILEGES
Once started, the server keeps the capabilities CAP_NET_ADMIN, CAP_NET_RAW and CAP_NET_BIND_SERVICE only, writes to its own
places and below /proc/sys/net only, gives up system calls that it never makes, and leaves no core dump. The option
.B --unconfined
of quickstart and run leaves that out.
.SH FILES
.TP
.I /etc/sekisho/quickstart.conf
what quickstart has made up, kept for the next time
.TP
.I /run/sekisho/sekisho.sock
the socket of the running server, which is root\(aqs alone
"#;

/// The manual page, as roff: every command with its default, scope, meaning, and who follows it.
pub fn man_page() -> String {
    let mut out = String::from(MAN_HEAD);
    for Family { title, rows, .. } in FAMILIES {
        let _ = writeln!(out, ".SH {}", roff(&title.to_uppercase()));
        for row in *rows {
            let _ = write!(out, ".TP\n.B {}\n{}", roff(&usage(row)), roff(row.english));
            let default = Some(row.default).filter(|default| !default.is_empty());
            let facts = [Some(scope(row).to_owned()), default.map(|default| format!("default {default}"))];
            let standing = Some(state(row).to_owned()).filter(|_| row.standing != Standing::Effective);
            let facts: Vec<String> = facts.into_iter().flatten().chain(standing).collect();
            let _ = writeln!(out, " ({})", roff(&facts.join("; ")));
        }
    }
    out
}

/// Text that roff takes as it stands.
fn roff(text: &str) -> String {
    let escaped = text.replace('\\', "\\e").replace('-', "\\-").replace('\'', "\\(aq").replace('…', "...");
    if escaped.starts_with('.') { format!("\\&{escaped}") } else { escaped }
}

/// A bar would end the cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;

    #[test]
    fn every_command_stands_in_the_manual_once() {
        let manual = manual();
        for Family { rows, .. } in FAMILIES {
            for row in *rows {
                let start = format!("| `{}", cell(&row.usage()));
                assert!(manual.lines().any(|line| line.starts_with(&start)), "{}", row.words);
            }
        }
    }

    #[test]
    fn every_command_stands_in_the_manual_page_and_no_text_is_taken_for_a_request() {
        let page = man_page();
        for Family { rows, .. } in FAMILIES {
            for row in *rows {
                assert!(page.contains(&format!(".B {}", roff(&row.usage()))), "{}", row.words);
            }
        }
        for line in page.lines().filter(|line| line.starts_with('.')) {
            assert!(
                [".TH ", ".SH ", ".TP", ".B ", ".I ", ".br", ".RB ", ".IR "]
                    .iter()
                    .any(|request| line.starts_with(request)),
                "{line}"
            );
        }
        assert!(page.is_ascii());
    }

    #[test]
    fn every_line_of_a_table_has_six_cells() {
        for line in manual().lines().filter(|line| line.starts_with('|')) {
            assert_eq!(line.replace("\\|", "").matches('|').count(), 7, "{line}");
        }
    }
}
