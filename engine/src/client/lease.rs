//! The address of a call that comes from a LAN's DHCP server (`ip pp remote address pool dhcpc`).

use super::{Client, Context};
use crate::event::{Event, Loan};
use crate::lease::{Flaw, Lease, Lost, Step, is_host};
use crate::outbox::Output;
use crate::pool::Pool;
use crate::ppp;
use crate::time::Instant;
use command::Config;
use core::net::Ipv4Addr;
use wire::inside::dhcp::Message;

impl Client {
    /// Asks the DHCP server of a LAN for the caller's address; the link waits for it.
    pub(super) fn ask_lan(&mut self, lan: &str, user: &str, cx: &mut Context<'_>) {
        let own = cx.config.lans.get(lan).and_then(|lan| lan.address);
        let Some(call) = &mut self.call else { return };
        let Some((own, _)) = own else {
            return self.without_lease(lan, user, Lost::NoLan, cx);
        };
        let identity = cx.names.draw(lan, own, user, self.id);
        let (lease, step) = Lease::ask(lan.to_owned(), identity, cx.rng, cx.now);
        call.inside.lease = Some(Box::new(lease));
        self.take_lease_steps(vec![step], cx);
    }

    /// A DHCP message for one of the caller's names came from a LAN.
    pub(crate) fn on_lan(&mut self, lan: &str, message: &Message, cx: &mut Context<'_>) {
        let Some(lease) = self.call.as_mut().and_then(|call| call.inside.lease.as_mut()) else { return };
        if lease.lan != lan {
            return;
        }
        let (config, pool) = (cx.config, &*cx.pool);
        let usable = |address| usable(config, pool, lan, address);
        let steps = lease.handle_message(message, &usable, cx.rng, cx.now);
        self.take_lease_steps(steps, cx);
    }

    pub(super) fn lease_due(&self) -> Option<Instant> {
        self.call.as_ref()?.inside.lease.as_ref()?.due()
    }

    pub(super) fn on_lease_timer(&mut self, cx: &mut Context<'_>) {
        let Some(lease) = self.call.as_mut().and_then(|call| call.inside.lease.as_mut()) else { return };
        let step = lease.handle_timeout(cx.rng, cx.now);
        self.take_lease_steps(step.into_iter().collect(), cx);
    }

    fn take_lease_steps(&mut self, steps: Vec<Step>, cx: &mut Context<'_>) {
        for step in steps {
            let Some(call) = &mut self.call else { return };
            let Some(lease) = &call.inside.lease else { return };
            let (lan, identity) = (lease.lan.clone(), lease.identity);
            let user = call.link.user().unwrap_or_default().to_owned();
            match step {
                Step::Send(server, bytes) => cx.out.push(Output::Dhcp { lan, server, bytes }),
                Step::Granted(grant) => {
                    // What nobody has can be taken; it was looked at a moment ago.
                    let address = Some(grant.address).filter(|address| cx.pool.take(&user, *address));
                    let loan = Loan::Granted { grant, identity };
                    cx.out.push(Output::Event(Event::Lease { instance: call.instance, user, lan, loan }));
                    call.address = address;
                    call.link.assign(address, cx.now);
                }
                Step::Lost(lost) => self.without_lease(&lan, &user, lost, cx),
            }
        }
    }

    /// There is no address for the call, or none any more: it ends.
    fn without_lease(&mut self, lan: &str, user: &str, lost: Lost, cx: &mut Context<'_>) {
        let Some(call) = &mut self.call else { return };
        let cause = ppp::Cause::NoLease { lan: lan.to_owned(), had: call.address.is_some() };
        let (user, lan, loan) = (user.to_owned(), lan.to_owned(), Loan::Lost(lost));
        cx.out.push(Output::Event(Event::Lease { instance: call.instance, user, lan, loan }));
        call.link.end(cause, cx.now);
    }
}

/// The call is over, or has another address: what the LAN has lent goes back.
pub(super) fn release(lease: &Lease, cx: &mut Context<'_>) {
    cx.names.give_back(lease.identity);
    if let Some(Step::Send(server, bytes)) = lease.release(cx.now) {
        cx.out.push(Output::Dhcp { lan: lease.lan.clone(), server, bytes });
    }
}

/// Whether a caller can have this address of a LAN.
fn usable(config: &Config, pool: &Pool, lan: &str, address: Ipv4Addr) -> Result<(), Flaw> {
    let (own, bits) = config.lans.get(lan).and_then(|lan| lan.address).ok_or(Flaw::Outside)?;
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(bits.into())).unwrap_or(0);
    let (number, network) = (u32::from(address), u32::from(own) & mask);
    if !is_host(address) || number & mask != network {
        return Err(Flaw::Outside);
    }
    if bits < 31 && (number == network || number == network | !mask) {
        return Err(Flaw::NoHost);
    }
    let ours = |lan: &command::Lan| lan.address.is_some_and(|(own, _)| own == address);
    let ends = || config.pps.values().chain([&config.anonymous]).filter_map(|pp| pp.address);
    if config.lans.values().any(ours) || ends().any(|(own, _)| own == address) {
        return Err(Flaw::Own);
    }
    let others = || config.pps.values().filter_map(|pp| pp.remote_address);
    let of_users = || config.anonymous.users.iter().filter_map(|user| user.address);
    if pool.holder(address).is_some() || others().chain(of_users()).any(|kept| kept == address) {
        return Err(Flaw::Taken);
    }
    Ok(())
}
