//! The operator's packet filters, as the data path takes them.

use crate::path::{Addresses, Dynamic, Filters, Kind, List, Lists, Pattern, Rule, Timers};
use command::{Application, Config, DynamicFilter, FilterList, PacketKind, SecureFilter, Trigger};
use core::time::Duration;

/// Everything that the configuration says about filters; none if no interface has any.
pub(crate) fn of(config: &Config) -> Option<Filters> {
    let mut filters = Filters { notices: config.syslog.notice, timers: timers(config), ..Filters::default() };
    let mut put = |list: Option<FilterList>| {
        list.map(|list| {
            filters.lists.push(self::list(config, &list));
            filters.lists.len() - 1
        })
    };
    let mut both = |secure: &SecureFilter| {
        let (incoming, outgoing) = config.filter_lists(secure);
        Lists { incoming: put(incoming), outgoing: put(outgoing) }
    };
    let pps = [(0, both(&config.anonymous.secure))].into_iter();
    let pps: Vec<_> = pps.chain(config.pps.iter().map(|(number, pp)| (*number, both(&pp.secure)))).collect();
    let tunnels = config.tunnels.iter();
    let tunnels: Vec<_> = tunnels.filter_map(|(number, t)| Some((*number, both(t.secure.as_deref()?)))).collect();
    let has_any = |(_, lists): &(u32, Lists)| *lists != Lists::default();
    filters.pps = pps.into_iter().filter(has_any).collect();
    filters.tunnels = tunnels.into_iter().filter(has_any).collect();
    (!filters.lists.is_empty()).then_some(filters)
}

fn timers(config: &Config) -> Timers {
    let seconds = |s: u32| Duration::from_secs(u64::from(s));
    let timers = config.filter_timers;
    Timers {
        syn: seconds(timers.tcp_syn_s),
        fin: seconds(timers.tcp_fin_s),
        tcp: seconds(timers.tcp_idle_s),
        udp: seconds(timers.udp_idle_s),
        dns: seconds(timers.dns_s),
    }
}

/// Numbers that stand for no filter fit nothing.
fn list(config: &Config, list: &FilterList) -> List {
    let rule = |number: &u32| {
        let filter = config.filters.get(number)?;
        Some(Rule { number: *number, passes: filter.passes, logs: filter.logs, pattern: pattern(&filter.pattern)? })
    };
    List {
        rules: list.filters.iter().filter_map(rule).collect(),
        dynamics: list.dynamics.iter().filter_map(|n| Some(dynamic(config, config.dynamic_filters.get(n)?))).collect(),
    }
}

/// None for a pattern that can fit nothing, because it names hosts that are not looked up.
fn pattern(pattern: &command::Pattern) -> Option<Pattern> {
    Some(Pattern {
        sources: addresses(&pattern.sources)?,
        destinations: addresses(&pattern.destinations)?,
        kinds: pattern.kinds.iter().map(|found| kind(*found)).collect(),
        source_ports: pattern.source_ports.clone(),
        destination_ports: pattern.destination_ports.clone(),
    })
}

fn addresses(list: &[command::Addresses]) -> Option<Vec<Addresses>> {
    let known: Vec<Addresses> = list
        .iter()
        .filter_map(|found| match found {
            command::Addresses::Masked(value, mask) => {
                Some(Addresses::Masked { value: value.to_bits(), mask: mask.to_bits() })
            }
            command::Addresses::Range(first, last) => {
                Some(Addresses::Range { first: first.to_bits(), last: last.to_bits() })
            }
            command::Addresses::Name(_) => None,
        })
        .collect();
    // An empty list would fit everything.
    (list.is_empty() || !known.is_empty()).then_some(known)
}

fn kind(found: PacketKind) -> Kind {
    match found {
        PacketKind::Protocol(number) => Kind::Protocol(number),
        PacketKind::TcpFlags { value, mask, equal } => Kind::Flags { value, mask, equal },
        PacketKind::Established => Kind::Established,
        PacketKind::IcmpError => Kind::IcmpError,
        PacketKind::IcmpInformation => Kind::IcmpInformation,
    }
}

fn dynamic(config: &Config, filter: &DynamicFilter) -> Dynamic {
    let (sources, destinations) = (addresses(&filter.sources), addresses(&filter.destinations));
    // Of the filters that a dynamic one names, only protocol and ports count.
    let of_filters = |numbers: &[u32]| -> Vec<Pattern> {
        let found = numbers.iter().filter_map(|number| config.filters.get(number));
        found
            .filter_map(|found| {
                pattern(&command::Pattern { sources: vec![], destinations: vec![], ..found.pattern.clone() })
            })
            .collect()
    };
    let (begins, along, against, brief) = match &filter.trigger {
        Trigger::Application(Application { begins, along, brief, .. }) => {
            (of_ports(begins), of_ports(along), Vec::new(), *brief)
        }
        Trigger::Filters { filter, against, along } => {
            (of_filters(filter), of_filters(along), of_filters(against), false)
        }
    };
    let triggers = match (sources, destinations) {
        (Some(sources), Some(destinations)) => begins
            .into_iter()
            .map(|begin| Pattern { sources: sources.clone(), destinations: destinations.clone(), ..begin })
            .collect(),
        _ => Vec::new(),
    };
    let idle = filter.timeout_s.map(|s| Duration::from_secs(u64::from(s)));
    Dynamic { number: filter.number, triggers, along, against, idle, brief }
}

fn of_ports(ports: &[(u8, u16, u16)]) -> Vec<Pattern> {
    let one = |(protocol, first, last): &(u8, u16, u16)| Pattern {
        kinds: vec![Kind::Protocol(*protocol)],
        destination_ports: if (*first, *last) == (0, u16::MAX) { Vec::new() } else { vec![(*first, *last)] },
        ..Pattern::default()
    };
    ports.iter().map(one).collect()
}
