//! The lines that were written, in the order in which they are shown.

use std::collections::BTreeMap;
use std::fmt;

use crate::config::{Config, Gateway, PpRef, Tunnel};
use crate::scopes;
use crate::table::{Act, Args, Effect, Scope, table};
use crate::template;
use crate::value::Value;

/// Which setting: its scope, its row's number in the table, and what tells it from others of the row.
pub(crate) type Key = (Scope, usize, Vec<Value>);

/// What was written for a setting.
#[derive(Clone)]
pub(crate) struct Entry {
    /// One value for each place of the row.
    pub(crate) args: Vec<Value>,
    /// The line it was written in, counted from 1.
    pub(crate) line: usize,
    /// Column of its first word.
    pub(crate) column: usize,
}

/// Where it was written is not part of what was written.
impl PartialEq for Entry {
    fn eq(&self, other: &Self) -> bool {
        self.args == other.args
    }
}

impl Eq for Entry {}

/// Every setting as it was written.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Script {
    pub(crate) entries: BTreeMap<Key, Entry>,
}

/// Passwords and keys are in it, so it does not show itself.
impl fmt::Debug for Script {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Script({} entries)", self.entries.len())
    }
}

impl Script {
    /// The entries of one row, in all scopes.
    pub(crate) fn of_row(&self, row: usize) -> impl Iterator<Item = (&Key, &Entry)> {
        self.entries.iter().filter(move |((_, r, _), _)| *r == row)
    }

    /// The entry of a row that has no key.
    pub(crate) fn one(&self, scope: Scope, row: usize) -> Option<&Entry> {
        self.entries.get(&(scope, row, Vec::new()))
    }

    /// The typed values: templates expanded, then each entry applied.
    pub(crate) fn config(&self) -> Config {
        let mut config = Config { script: self.clone(), ..Config::default() };
        let mut switches = Switches::default();
        template::each(self, |(scope, row, _), args| {
            if let Some(row) = table().get(*row) {
                apply(&mut config, &mut switches, row.effect, *scope, args, row.gateway_slot());
            }
        });
        switches.settle(&mut config);
        scopes::settle(&mut config);
        config
    }
}

fn apply(
    config: &mut Config,
    switches: &mut Switches,
    effect: Effect,
    scope: Scope,
    args: &[Value],
    gateway: Option<usize>,
) {
    let values = Args(args);
    match (effect, scope) {
        (Effect::Global(set), _) => set(config, values),
        (Effect::Pp(set), Scope::Pp(PpRef::Anonymous)) => set(&mut config.anonymous, values),
        (Effect::Pp(set), Scope::Pp(PpRef::Number(number))) => set(config.pps.entry(number).or_default(), values),
        (Effect::Tunnel(set), Scope::Tunnel(number)) => set(config.tunnels.entry(number, Tunnel::default), values),
        (Effect::Gateway(set), _) => {
            if let Some(id) = gateway.and_then(|slot| values.number(slot)) {
                set(config.gateways.entry(id, || Gateway { id, ..Gateway::default() }), values);
            }
        }
        (Effect::Act(act), _) => switches.set(config, act, scope, values.on(0)),
        (Effect::Pp(_) | Effect::Tunnel(_) | Effect::Ask(_) | Effect::Apart(_) | Effect::Kept(_), _) => {}
    }
}

/// `enable` and `disable`: what was said of one interface goes before what was said of all.
#[derive(Default)]
struct Switches {
    all_pps: bool,
    all_tunnels: bool,
    pps: BTreeMap<PpRef, bool>,
    tunnels: BTreeMap<u32, bool>,
}

impl Switches {
    fn set(&mut self, config: &mut Config, act: Act, scope: Scope, on: bool) {
        match (act, scope) {
            (Act::PpEnable, Scope::Global) => self.all_pps = on,
            (Act::TunnelEnable, Scope::Global) => self.all_tunnels = on,
            (Act::PpEnable, Scope::Pp(which)) => {
                self.pps.insert(which, on);
                if let PpRef::Number(number) = which {
                    config.pps.entry(number).or_default();
                }
            }
            (Act::TunnelEnable, Scope::Tunnel(number)) => {
                self.tunnels.insert(number, on);
                config.tunnels.entry(number, Tunnel::default);
            }
            (
                Act::PpSelect
                | Act::TunnelSelect
                | Act::PpEnable
                | Act::PpDisable
                | Act::TunnelEnable
                | Act::TunnelDisable,
                Scope::Global | Scope::Pp(_) | Scope::Tunnel(_),
            ) => {}
        }
    }

    fn settle(&self, config: &mut Config) {
        let of = |which: PpRef| self.pps.get(&which).copied().unwrap_or(self.all_pps);
        config.anonymous.enabled = of(PpRef::Anonymous);
        for (number, pp) in &mut config.pps {
            pp.enabled = of(PpRef::Number(*number));
        }
        config.tunnels.change(|number, tunnel| {
            tunnel.enabled = self.tunnels.get(&number).copied().unwrap_or(self.all_tunnels);
        });
    }
}
