//! A line that an operator types at a running server: what it selects, asks for or changes.

use std::collections::BTreeSet;

use crate::check;
use crate::config::Config;
use crate::parse::{Reader, find, parse_request};
use crate::problem::{Problem, Severity};
use crate::request::Request;
use crate::rows::FAMILIES;
use crate::table::{Act, Effect, Level, Scope};
use crate::text::{Fault, Text};

/// What a typed line comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Typed {
    /// Nothing was typed, or a comment.
    Nothing,
    /// Something is selected from here on.
    Select(Scope),
    /// Something is to be shown or done.
    Ask(Request),
    /// A password is to be asked for.
    Password(Password),
    /// The configuration is another one.
    Change {
        /// The new one, whole.
        config: Box<Config>,
        /// What is wrong in it that was not before, and what the line will not do.
        told: Vec<Problem>,
    },
}

/// A password that a line asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// `login password`.
    Login,
    /// `administrator password`.
    Administrator,
}

impl Password {
    /// The line that sets it to a hash; the `no` form where there is none.
    pub fn line(self, hash: Option<&str>) -> String {
        let words = match self {
            Self::Login => "login password",
            Self::Administrator => "administrator password",
        };
        match hash {
            Some(hash) => format!("{words} encrypted {hash}"),
            None => format!("no {words}"),
        }
    }
}

/// Reads a line, typed by somebody of this level where this is selected. A line that is refused changes nothing.
///
/// A configuration that is being built line by line is not whole at every step. So what is wrong *between* lines is told, and
/// does not refuse the line; what is wrong is not served.
pub fn typed(config: &Config, selected: Scope, level: Level, line: &str) -> Result<Typed, Problem> {
    // There is no file with lines here.
    read(config, selected, level, line).map_err(|problem| Problem { line: 0, ..problem })
}

fn read(config: &Config, selected: Scope, level: Level, line: &str) -> Result<Typed, Problem> {
    let mut reader = Reader { script: config.script.clone(), scope: Some(selected), line: 0, ..Reader::default() };
    let words = reader.words(line)?;
    let Some(first) = words.first() else { return Ok(Typed::Nothing) };
    let negative = first.text.eq_ignore_ascii_case("no");
    let command = words.get(usize::from(negative)..).unwrap_or_default();
    if !command.is_empty() {
        let found = find(command).map_err(|(at, why)| reader.fault(command.get(at).or(Some(first)), why))?;
        if level == Level::User && !found.row.is_for_users() {
            let why =
                Fault::AdministratorOnly.because("type administrator first", "先にadministratorと入力してください");
            return Err(reader.fault(Some(first), why));
        }
        let alone = command.len() == found.depth;
        match found.row.effect {
            Effect::Ask(_) if !negative => return parse_request(line).map(Typed::Ask),
            Effect::Act(Act::PpSelect | Act::TunnelSelect) => {
                reader.read(line)?;
                return Ok(Typed::Select(reader.scope.unwrap_or(selected)));
            }
            _ if found.row.words == "login password" && !negative && alone => {
                return Ok(Typed::Password(Password::Login));
            }
            _ if found.row.words == "administrator password" && !negative && alone => {
                return Ok(Typed::Password(Password::Administrator));
            }
            _ => {}
        }
    }
    reader.read(line)?;
    let changed = reader.script.config();
    let known: BTreeSet<String> = check::all(config).into_iter().map(|problem| problem.message.english).collect();
    let mut told = reader.problems;
    told.extend(check::all(&changed).into_iter().filter(|problem| !known.contains(&problem.message.english)));
    told.extend(opened(config, &changed));
    for problem in &mut told {
        problem.line = 0;
    }
    Ok(Typed::Change { config: Box::new(changed), told })
}

/// Services that are switched on whose ports only a start opens.
fn opened(before: &Config, now: &Config) -> Vec<Problem> {
    let news =
        FAMILIES.iter().filter(|family| (family.opens)(before).is_none()).filter_map(|family| (family.opens)(now));
    let told = |words: &'static str| Problem {
        line: 0,
        column: 1,
        word: words.to_owned(),
        severity: Severity::Warning,
        message: Text::new(
            format!(
                "{words}: if the server was started without it, it counts from the next start on; type save, and start it anew with 'systemctl restart sekisho'"
            ),
            format!(
                "{words}: 起動時にoffだった場合は次の起動から有効です。saveと入力し、'systemctl restart sekisho'で起動し直してください"
            ),
        ),
    };
    news.map(told).collect()
}

/// A line as the log may show it (`syslog execute command`): behind the keywords of a command that holds a secret stands `*`.
pub fn loggable(line: &str) -> String {
    let reader = Reader::default();
    let Ok(words) = reader.words(line) else { return "*".to_owned() };
    let negative = words.first().is_some_and(|first| first.text.eq_ignore_ascii_case("no"));
    match find(words.get(usize::from(negative)..).unwrap_or_default()) {
        Ok(found) if found.row.is_secret() => {
            format!("{}{} *", if negative { "no " } else { "" }, found.row.words)
        }
        Ok(_) => line.trim().to_owned(),
        // What is no command may be a password that was typed at the wrong place.
        Err(_) => "*".to_owned(),
    }
}

impl Config {
    /// What is wrong in it: what a start with it would be refused for.
    pub fn errors(&self) -> Vec<Problem> {
        check::all(self).into_iter().filter(|problem| problem.severity == Severity::Error).collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]
    use super::*;
    use crate::config::PpRef;
    use crate::parse;

    const TEXT: &str = "ip lan1 address 192.168.100.1/24\npp select anonymous\n pp bind tunnel1\n pp auth request mschap-v2\n pp auth username a b\n ppp ipcp ipaddress on\n ip pp remote address pool 192.168.100.200-192.168.100.250\n pp enable anonymous\ntunnel select 1\n tunnel encapsulation l2tp\n ipsec tunnel 1\n  ipsec sa policy 1 1 esp\n  ipsec ike pre-shared-key 1 text key\n  ipsec ike remote address 1 any\n tunnel enable 1\nipsec transport 1 1 udp 1701\nl2tp service on\n";

    fn config() -> Config {
        parse(TEXT).0
    }

    fn changed(config: &Config, selected: Scope, line: &str) -> Config {
        match typed(config, selected, Level::Administrator, line).unwrap() {
            Typed::Change { config, .. } => *config,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_line_selects_asks_or_changes() {
        let config = config();
        let at = |selected, line| typed(&config, selected, Level::Administrator, line).unwrap();
        assert_eq!(at(Scope::Global, "  # nothing"), Typed::Nothing);
        assert_eq!(at(Scope::Global, "tun sel 1"), Typed::Select(Scope::Tunnel(1)));
        assert_eq!(at(Scope::Tunnel(1), "pp select anonymous"), Typed::Select(Scope::Pp(PpRef::Anonymous)));
        assert_eq!(at(Scope::Tunnel(1), "no tunnel select"), Typed::Select(Scope::Global));
        assert_eq!(at(Scope::Global, "sh st l2"), Typed::Ask(Request::ShowStatusL2tp(None)));
        assert_eq!(at(Scope::Global, "administrator password"), Typed::Password(Password::Administrator));
        let now = changed(&config, Scope::Pp(PpRef::Anonymous), "pp auth username a other 192.168.100.9");
        assert_eq!(now.anonymous.users[0].address, Some([192, 168, 100, 9].into()));
        assert_eq!(changed(&now, Scope::Pp(PpRef::Anonymous), "pp auth username a b"), config);
    }

    #[test]
    fn a_line_is_logged_without_its_secrets() {
        assert_eq!(loggable(" no  ip pp mtu "), "no  ip pp mtu");
        assert_eq!(loggable("pp auth user bob 'hidden word'"), "pp auth username *");
        assert_eq!(loggable("no ipsec ike pre 1 text hidden"), "no ipsec ike pre-shared-key *");
        assert_eq!(loggable("hidden"), "*");
        assert_eq!(loggable("pp auth username \"hidden"), "*");
    }

    #[test]
    fn a_refused_line_says_what_is_wrong_with_it() {
        let config = config();
        let wrong = |selected, level, line: &str| typed(&config, selected, level, line).unwrap_err().message.english;
        let administrator = Level::Administrator;
        assert!(wrong(Scope::Global, administrator, "tunnle select 1").contains("did you mean tunnel"));
        assert!(wrong(Scope::Global, administrator, "l2tp syslog on").starts_with("Execute tunnel select command"));
        assert!(wrong(Scope::Global, Level::User, "l2tp service off").starts_with("Administrator use only"));
        assert!(wrong(Scope::Global, administrator, "login timer 5").starts_with("Parameter out of range"));
        assert!(wrong(Scope::Global, administrator, "no").starts_with("Insufficient or too many parameters"));
    }

    #[test]
    fn what_a_line_breaks_is_told_and_what_was_broken_before_is_not_told_again() {
        let config = config();
        let told = |config: &Config, line: &str| match typed(config, Scope::Global, Level::Administrator, line).unwrap()
        {
            Typed::Change { config, told } => (*config, told),
            other => panic!("{other:?}"),
        };
        let (open, problems) = told(&config, "no ipsec ike pre-shared-key 1");
        assert_eq!(problems.iter().filter(|p| p.severity == Severity::Error).count(), 1, "{problems:?}");
        assert!(!open.errors().is_empty() && config.errors().is_empty(), "{:?}", config.errors());
        let (_, problems) = told(&open, "syslog debug on");
        assert_eq!(problems, []);
    }

    #[test]
    fn what_a_template_gives_a_tunnel_can_be_shown() {
        let config = parse("tunnel select 1\n tunnel template 2-3\n tunnel encapsulation l2tp\n ipsec tunnel 1\n  ipsec sa policy 1 1 esp\n  ipsec ike pre-shared-key 1 text key\n tunnel enable 1\n").0;
        let shown = config.show_expanded(3, Level::Administrator);
        let block = shown.split("tunnel select 3\n").nth(1).unwrap();
        assert_eq!(
            block,
            " tunnel encapsulation l2tp\n ipsec tunnel 3\n  ipsec sa policy 3 3 esp\n  ipsec ike pre-shared-key 3 text key\n tunnel enable 3\n"
        );
        assert!(!shown.contains("tunnel select 2\n"));
    }

    #[test]
    fn a_hash_of_a_password_is_read_back_and_only_shown_to_whom_it_may() {
        let config = changed(&config(), Scope::Global, &Password::Login.line(Some("v1:abc")));
        assert_eq!(config.login.password.as_ref().map(|hash| hash.as_str()), Some("v1:abc"));
        assert_eq!(parse(&config.show()).0, config);
        assert!(config.show_to(Level::Administrator).contains("login password *\n"));
        assert!(config.show_to(Level::Administrator).contains("ipsec ike pre-shared-key 1 text key\n"));
        let shown = config.show_to(Level::User);
        assert!(shown.contains("pre-shared-key 1 text *\n") && shown.contains("pp auth username a *\n"), "{shown}");
        assert!(!changed(&config, Scope::Global, &Password::Login.line(None)).show().contains("login password"));
    }
}
