//! `show config`: the lines that were written, in the router's order and form.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::{Config, PpRef};
use crate::script::{Entry, Key};
use crate::table::{Act, Args, Effect, Form, Level, Place, Row, Scope, number_of, table};
use crate::template;
use crate::value::Value;

impl Config {
    /// The configuration in the operator's words, as `show config` prints it, without the router's header.
    ///
    /// What is printed gives an equal configuration when it is read again. Passwords and keys are printed in clear, as on the
    /// router.
    pub fn show(&self) -> String {
        self.printed(Hide::Nothing)
    }

    /// The same for somebody to look at: passwords of the console are never shown, and other passwords and keys to the
    /// administrator alone.
    pub fn show_to(&self, level: Level) -> String {
        self.printed(match level {
            Level::Administrator => Hide::Logins,
            Level::User => Hide::Secrets,
        })
    }

    /// The same with the lines that templates give one tunnel.
    pub fn show_expanded(&self, tunnel: u32, level: Level) -> String {
        let mut whole = self.clone();
        let numbers: BTreeSet<u32> =
            self.tunnels.get(&tunnel).and_then(|t| t.policy).into_iter().chain([tunnel]).collect();
        template::each(&self.script, |key, args| {
            let (scope, _, values) = key;
            let own = *scope == Scope::Tunnel(tunnel)
                || *scope == Scope::Global && matches!(values.first(), Some(Value::Number(n)) if numbers.contains(n));
            if own {
                let added = || Entry { args: args.to_vec(), line: 0, column: 1 };
                whole.script.entries.entry(key.clone()).or_insert_with(added);
            }
        });
        whole.show_to(level)
    }

    fn printed(&self, hide: Hide) -> String {
        let mut gateways: BTreeMap<u32, Vec<(&Key, &Entry)>> = BTreeMap::new();
        for (key, entry) in &self.script.entries {
            let row = table().get(key.1).filter(|row| row.place == Place::Gateway);
            if let Some(id) = row.and_then(|row| row.gateway_slot()).and_then(|slot| Args(&entry.args).number(slot)) {
                gateways.entry(id).or_default().push((key, entry));
            }
        }
        let mut printer = Printer { config: self, hide, out: String::new(), gateways, printed: BTreeSet::new() };
        printer.global(|place| place < Place::PpBind);
        printer.scopes(true);
        printer.scopes(false);
        printer.global(|place| place > Place::TunnelEnable);
        printer.out
    }
}

/// What is not shown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Hide {
    Nothing,
    /// Passwords of the console.
    Logins,
    /// Every password and key.
    Secrets,
}

impl Hide {
    /// The values of an entry with what is hidden as `*`.
    fn of(self, row: &Row, args: &[Value]) -> Vec<Value> {
        let star = || Value::Text("*".to_owned());
        let (from, place) = match row.words {
            "login password" | "administrator password" => (Self::Logins, 0),
            "login user" => (Self::Logins, 1),
            "pp auth username" | "pp auth myname" | "l2tp tunnel auth" => (Self::Secrets, 1),
            "ipsec ike pre-shared-key" => (Self::Secrets, 1),
            "radius secret" => (Self::Secrets, 0),
            _ => return args.to_vec(),
        };
        let mut shown = args.to_vec();
        if self < from {
            return shown;
        }
        // Words, addresses and prefixes are no secrets: only text is, alone or in a group.
        let last = if row.words == "pp auth username" { 3 } else { shown.len() };
        for value in shown.iter_mut().take(last).skip(place) {
            match value {
                Value::Text(_) => *value = star(),
                Value::List(_) => *value = Value::List(vec![star()]),
                Value::Nothing
                | Value::Word(_)
                | Value::Number(_)
                | Value::Ip(_)
                | Value::Net(..)
                | Value::Range(..)
                | Value::Numbers(..) => {}
            }
        }
        shown
    }
}

struct Printer<'a> {
    config: &'a Config,
    hide: Hide,
    out: String,
    /// The lines of each gateway.
    gateways: BTreeMap<u32, Vec<(&'a Key, &'a Entry)>>,
    /// Global entries that stand in a tunnel's block.
    printed: BTreeSet<&'a Key>,
}

impl<'a> Printer<'a> {
    fn entries(&self) -> impl Iterator<Item = (&'a Key, &'a Entry)> + use<'a> {
        self.config.script.entries.iter()
    }

    fn line(&mut self, indent: usize, text: &str) {
        self.out.push_str(&" ".repeat(indent));
        self.out.push_str(text);
        self.out.push('\n');
    }

    fn global(&mut self, wanted: fn(Place) -> bool) {
        let entries: Vec<(&Key, &Entry)> = self
            .entries()
            .filter(|(key, _)| key.0 == Scope::Global && !self.printed.contains(*key))
            .filter(|(key, _)| table().get(key.1).is_some_and(|row| wanted(row.place)))
            .collect();
        self.lines(0, &entries);
    }

    /// Prints entries, those of a set joined in one line.
    fn lines(&mut self, indent: usize, entries: &[(&Key, &Entry)]) {
        for group in
            entries.chunk_by(|(a, _), (b, _)| a.1 == b.1 && table().get(a.1).is_some_and(|row| row.form == Form::Each))
        {
            let Some(((scope, number, _), entry)) = group.first() else {
                continue;
            };
            let Some(row) = table().get(*number) else { continue };
            let text = match (row.effect, scope) {
                (Effect::Act(act), _) => switch(act, *scope, entry),
                _ if group.len() > 1 => {
                    let all = group.iter().flat_map(|(_, entry)| Args(&entry.args).list(0).iter().cloned());
                    row.line(&[Value::List(all.collect())])
                }
                _ => row.line(&self.hide.of(row, &entry.args)),
            };
            self.line(indent, &text);
        }
    }

    fn scopes(&mut self, pp: bool) {
        let scopes: BTreeSet<Scope> = self
            .entries()
            .map(|(key, _)| key.0)
            .filter(|scope| matches!(scope, Scope::Pp(_)) == pp && *scope != Scope::Global)
            .collect();
        let (row, none) = if pp {
            (number_of("pp enable"), "pp disable all")
        } else {
            (number_of("tunnel enable"), "no tunnel enable all")
        };
        if self.config.script.one(Scope::Global, row).is_some() {
            self.line(0, if pp { "pp enable all" } else { "tunnel enable all" });
        } else if !scopes.is_empty() {
            self.line(0, none);
        }
        for scope in scopes {
            let select = match scope {
                Scope::Global => continue,
                Scope::Pp(which) => format!("pp select {}", name(which)),
                Scope::Tunnel(number) => format!("tunnel select {number}"),
            };
            self.line(0, &select);
            let from = (scope, 0, Vec::new());
            for (key, entry) in self.config.script.entries.range(from..).take_while(|(key, _)| key.0 == scope) {
                self.lines(1, &[(key, entry)]);
                if key.1 == number_of("ipsec tunnel") {
                    self.policy(entry);
                }
            }
        }
    }

    /// The policy of a tunnel and the lines of its gateway, which are global but stand under `ipsec tunnel`.
    fn policy(&mut self, tunnel: &Entry) {
        let key = (Scope::Global, number_of("ipsec sa policy"), tunnel.args.clone());
        let Some((key, policy)) = self.config.script.entries.get_key_value(&key) else {
            return;
        };
        let gateway = Args(&policy.args).number(1);
        let mut block = vec![(key, policy)];
        block.extend(gateway.and_then(|id| self.gateways.get(&id)).into_iter().flatten());
        block.retain(|(key, _)| self.printed.insert(key));
        self.lines(2, &block);
    }
}

fn name(which: PpRef) -> String {
    match which {
        PpRef::Anonymous => "anonymous".to_owned(),
        PpRef::Number(number) => number.to_string(),
    }
}

fn switch(act: Act, scope: Scope, entry: &Entry) -> String {
    let kind = if matches!(act, Act::PpSelect | Act::PpEnable | Act::PpDisable) { "pp" } else { "tunnel" };
    let word = if entry.args.first() == Some(&Value::Word("on")) { "enable" } else { "disable" };
    let which = match scope {
        Scope::Global => "all".to_owned(),
        Scope::Pp(which) => name(which),
        Scope::Tunnel(number) => number.to_string(),
    };
    format!("{kind} {word} {which}")
}
