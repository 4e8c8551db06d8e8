//! Rules as `iptables -S` prints them, turned into chains.

use std::net::Ipv4Addr;

use super::{Chain, Hook, Match, Rule, Tool, Verdict, What};

/// Reads the whole output; lines that are not understood are passed over.
pub(super) fn parse(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    for line in text.lines() {
        let words = split(line);
        let mut words = words.iter().map(String::as_str);
        match (words.next(), words.next()) {
            (Some("-P"), Some(name)) => {
                let hook = match name {
                    "INPUT" => Some(Hook::Input),
                    "FORWARD" => Some(Hook::Forward),
                    _ => None,
                };
                chains.push(chain(name, hook, words.next() == Some("DROP")));
            }
            (Some("-N"), Some(name)) => chains.push(chain(name, None, false)),
            (Some("-A"), Some(name)) => {
                let rule = rule(&words.collect::<Vec<_>>());
                if let Some(chain) = chains.iter_mut().find(|c| c.name == name) {
                    chain.rules.push(rule);
                }
            }
            _ => {}
        }
    }
    chains
}

fn chain(name: &str, hook: Option<Hook>, drops: bool) -> Chain {
    Chain {
        tool: Tool::Iptables,
        family: "ip".to_owned(),
        table: "filter".to_owned(),
        name: name.to_owned(),
        hook,
        drops,
        rules: Vec::new(),
    }
}

/// Splits a line at blanks; double quotes hold words together.
fn split(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    let mut escaped = false;
    for c in line.chars() {
        match c {
            _ if escaped => {
                escaped = false;
                if let Some(last) = words.last_mut() {
                    last.push(c);
                }
            }
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            _ => {
                if let Some(last) = words.last_mut() {
                    last.push(c);
                }
            }
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

fn rule(words: &[&str]) -> Rule {
    let mut rule = Rule { matches: Vec::new(), verdict: Verdict::Continue };
    let mut negated = false;
    let mut rest = words.iter().copied();
    while let Some(word) = rest.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        let what = match word {
            "-j" | "-g" => {
                let target = rest.next().unwrap_or_default();
                rule.verdict = verdict(target, word == "-g");
                // What follows is the target's own options.
                break;
            }
            "-m" | "--comment" | "--limit" | "--limit-burst" => {
                rest.next();
                continue;
            }
            "-i" => What::In(vec![rest.next().unwrap_or_default().to_owned()]),
            "-o" => What::Out(vec![rest.next().unwrap_or_default().to_owned()]),
            "-p" => What::Protocol(vec![rest.next().unwrap_or_default().to_owned()]),
            "-s" => networks(rest.next().unwrap_or_default()).map_or(What::Unknown, What::Source),
            "-d" => networks(rest.next().unwrap_or_default()).map_or(What::Unknown, What::Destination),
            "--dport" | "--dports" | "--destination-ports" => {
                ports(rest.next().unwrap_or_default()).map_or(What::Unknown, What::Port)
            }
            "--ctstate" | "--state" => {
                What::State(rest.next().unwrap_or_default().split(',').map(str::to_owned).collect())
            }
            option if option.starts_with('-') => What::Unknown,
            // The value of an option that is not understood.
            _ => continue,
        };
        rule.matches.push(Match { negated, what });
        negated = false;
    }
    rule
}

fn verdict(target: &str, goto: bool) -> Verdict {
    match target {
        "ACCEPT" => Verdict::Accept,
        "DROP" | "REJECT" => Verdict::Drop,
        "RETURN" => Verdict::Return,
        "LOG" | "NFLOG" | "MARK" | "CONNMARK" | "TCPMSS" | "" => Verdict::Continue,
        name if goto => Verdict::Goto(name.to_owned()),
        name => Verdict::Jump(name.to_owned()),
    }
}

fn networks(text: &str) -> Option<Vec<(Ipv4Addr, u8)>> {
    text.split(',')
        .map(|one| {
            let (address, prefix) = one.split_once('/').unwrap_or((one, "32"));
            Some((address.parse().ok()?, prefix.parse().ok().filter(|p| *p <= 32)?))
        })
        .collect()
}

fn ports(text: &str) -> Option<Vec<(u16, u16)>> {
    text.split(',')
        .map(|one| {
            let (low, high) = one.split_once(':').unwrap_or((one, one));
            Some((low.parse().ok()?, high.parse().ok()?))
        })
        .collect()
}
