//! A lease from its first question to its end, by a virtual clock.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 3);
const GIVEN: Ipv4Addr = Ipv4Addr::new(192, 168, 100, 50);

fn fine(_: Ipv4Addr) -> Result<(), Flaw> {
    Ok(())
}

fn at(seconds: u64) -> Instant {
    Instant(0).after(Duration::from_secs(seconds))
}

/// A lease and what it sent last.
struct Bench {
    lease: Lease,
    rng: Rng,
    now: Instant,
    said: Message,
    to: Option<Ipv4Addr>,
}

impl Bench {
    fn asking() -> Self {
        let mut rng = Rng::new([7; 32]);
        let name = Names::default().draw("lan1", Ipv4Addr::new(192, 168, 100, 1), "taro", 1);
        let (lease, step) = Lease::ask("lan1".to_owned(), name, &mut rng, at(0));
        let Step::Send(to, bytes) = step else { panic!("{step:?}") };
        Self { lease, rng, now: at(0), said: Message::decode(&bytes).unwrap(), to }
    }

    /// One that has been lent an address for so long.
    fn bound(seconds: u32) -> Self {
        let mut bench = Self::asking();
        assert_eq!(bench.hears(&bench.answer(2, SERVER, seconds)), []);
        let steps = bench.hears(&bench.answer(5, SERVER, seconds));
        assert_eq!(steps, [Step::Granted(Grant { server: SERVER, address: GIVEN, seconds })]);
        bench
    }

    /// What a server says to what was said last.
    fn answer(&self, kind: u8, server: Ipv4Addr, seconds: u32) -> Message {
        let options = vec![
            DhcpOption::new(OptionCode::MessageType, [kind]),
            DhcpOption::addresses(OptionCode::ServerIdentifier, &[server]),
            DhcpOption::new(OptionCode::LeaseTime, seconds.to_be_bytes()),
        ];
        Message { op: Op::Reply, yiaddr: GIVEN, options, ..self.said.clone() }
    }

    /// Takes a message; what it sends is kept apart from what else comes of it.
    fn hears_with(&mut self, message: &Message, usable: &dyn Fn(Ipv4Addr) -> Result<(), Flaw>) -> Vec<Step> {
        let steps = self.lease.handle_message(message, usable, &mut self.rng, self.now);
        self.keep(steps)
    }

    fn hears(&mut self, message: &Message) -> Vec<Step> {
        self.hears_with(message, &fine)
    }

    fn keep(&mut self, steps: Vec<Step>) -> Vec<Step> {
        let mut others = vec![];
        for step in steps {
            match step {
                Step::Send(to, bytes) => (self.to, self.said) = (to, Message::decode(&bytes).unwrap()),
                other => others.push(other),
            }
        }
        others
    }

    /// Lets the next deadline come; the time that has passed, and what came of it.
    fn waits(&mut self) -> (Duration, Vec<Step>) {
        let due = self.lease.due().expect("a deadline");
        let passed = due.since(self.now);
        self.now = due;
        let steps = self.lease.handle_timeout(&mut self.rng, due).into_iter().collect();
        (passed, self.keep(steps))
    }

    fn kind(&self) -> MessageType {
        self.said.message_type().unwrap()
    }
}

#[test]
fn an_offer_is_taken_at_its_word_and_the_address_given_back_at_the_end() {
    let mut bench = Bench::asking();
    assert_eq!((bench.kind(), bench.to, bench.said.flags), (MessageType::Discover, None, BROADCAST));
    assert_eq!(bench.hears(&bench.answer(2, SERVER, 3600)), []);
    assert_eq!((bench.kind(), bench.to), (MessageType::Request, None));
    assert_eq!(bench.said.address(OptionCode::ServerIdentifier), Some(SERVER));
    assert_eq!(bench.said.address(OptionCode::RequestedAddress), Some(GIVEN));
    assert!(bench.said.ciaddr.is_unspecified());
    let granted = bench.hears(&bench.answer(5, SERVER, 3600));
    assert_eq!(granted, [Step::Granted(Grant { server: SERVER, address: GIVEN, seconds: 3600 })]);
    let steps = bench.lease.release(bench.now).into_iter().collect();
    assert_eq!(bench.keep(steps), []);
    // RFC 2131 §4.4.1, table 5: to the server alone, the address in ciaddr.
    assert_eq!((bench.kind(), bench.to, bench.said.ciaddr), (MessageType::Release, Some(SERVER), GIVEN));
    assert_eq!(bench.said.address(OptionCode::RequestedAddress), None);
}

#[test]
fn a_silent_lan_is_asked_three_times_with_growing_pauses_and_then_given_up() {
    let mut bench = Bench::asking();
    let mut pauses = vec![];
    let lost = loop {
        let (passed, steps) = bench.waits();
        pauses.push(passed.as_millis());
        match &steps[..] {
            [] => assert_eq!(bench.kind(), MessageType::Discover),
            [Step::Lost(lost)] => break lost.clone(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lost, Lost::Silent);
    assert_eq!(pauses.len(), 3);
    assert!((3000..=5000).contains(&pauses[0]) && (7000..=9000).contains(&pauses[1]), "{pauses:?}");
    assert_eq!(bench.now, at(16));
    assert!(u64::from(bench.said.secs) == (pauses[0] + pauses[1]) as u64 / 1000, "{}", bench.said.secs);
    assert_eq!((bench.lease.due(), bench.lease.release(bench.now)), (None, None));
}

#[test]
fn a_lease_is_prolonged_at_half_its_time_by_its_server_and_near_its_end_by_any() {
    let mut bench = Bench::bound(3600);
    let (passed, steps) = bench.waits();
    assert_eq!(steps, []);
    assert!((1687..=1800).contains(&passed.as_secs()), "{passed:?}");
    assert_eq!((bench.kind(), bench.said.address(OptionCode::ServerIdentifier)), (MessageType::Request, None));
    assert_eq!(bench.said.address(OptionCode::RequestedAddress), Some(GIVEN));
    assert!(bench.said.ciaddr.is_unspecified(), "the answer would go into the tunnel");
    let begun = bench.now;
    assert_eq!(bench.hears(&bench.answer(5, OTHER, 9999)), []);
    assert!(bench.lease.due().unwrap() < begun.after(Duration::from_secs(1000)), "another has no say yet");
    assert_eq!(bench.hears(&bench.answer(5, SERVER, 3600)), []);
    assert!(bench.lease.due().unwrap() > begun.after(Duration::from_secs(1600)), "prolonged");
    // Nobody answers this time: again and again, but not more often than once a minute, until T2.
    let mut asked = 0;
    let start = bench.now;
    while bench.now.since(start) < Duration::from_secs(3150) {
        let (passed, steps) = bench.waits();
        assert_eq!(steps, []);
        assert!(asked == 0 || passed >= Duration::from_secs(20), "{passed:?}");
        asked += 1;
    }
    assert!(asked < 12, "{asked}");
    assert_eq!(bench.hears(&bench.answer(5, OTHER, 7200)), [], "by any server");
    let steps = bench.lease.release(bench.now).into_iter().collect();
    assert_eq!(bench.keep(steps), []);
    assert_eq!(bench.to, Some(OTHER), "whose it is from then on");
}

#[test]
fn a_lease_that_nobody_prolongs_ends_when_its_time_is_over_and_not_before() {
    let mut bench = Bench::bound(600);
    let lost = loop {
        let (_, steps) = bench.waits();
        if let [Step::Lost(lost)] = &steps[..] {
            break lost.clone();
        }
    };
    assert_eq!((lost, bench.now), (Lost::Expired, at(600)));
    assert_eq!(bench.lease.release(bench.now), None, "there is nothing to give back");
}

#[test]
fn the_times_of_the_server_count_where_they_make_sense() {
    let due = |t1: u32, t2: u32| {
        let mut bench = Bench::asking();
        assert_eq!(bench.hears(&bench.answer(2, SERVER, 1000)), []);
        let mut ack = bench.answer(5, SERVER, 1000);
        ack.options.push(DhcpOption::new(OptionCode::RenewalTime, t1.to_be_bytes()));
        ack.options.push(DhcpOption::new(OptionCode::RebindingTime, t2.to_be_bytes()));
        assert_eq!(bench.hears(&ack).len(), 1);
        bench.lease.due().unwrap().since(at(0)).as_secs()
    };
    assert!((187..=200).contains(&due(200, 800)));
    assert!((468..=500).contains(&due(0, 0)));
    assert!((468..=500).contains(&due(1000, u32::MAX)));
    assert!((281..=300).contains(&due(700, 300)), "T1 is not behind T2");
}

#[test]
fn a_lease_for_ever_is_never_asked_about_again() {
    let bench = Bench::bound(u32::MAX);
    assert_eq!(bench.lease.due(), None);
    assert!(bench.lease.release(at(1 << 32)).is_some());
}

#[test]
fn what_is_offered_and_cannot_be_used_is_passed_over_for_what_can() {
    let mut bench = Bench::asking();
    let bad = |_| Err(Flaw::Taken);
    assert_eq!(bench.hears_with(&bench.answer(2, SERVER, 3600), &bad), []);
    assert_eq!(bench.kind(), MessageType::Discover, "nothing was asked for");
    assert_eq!(bench.hears(&bench.answer(2, OTHER, 9)), [], "not for nine seconds");
    assert_eq!(bench.kind(), MessageType::Discover);
    assert_eq!(bench.hears(&bench.answer(2, OTHER, 3600)), []);
    assert_eq!(bench.said.address(OptionCode::ServerIdentifier), Some(OTHER));
    let mut bench = Bench::asking();
    assert_eq!(bench.hears_with(&bench.answer(2, SERVER, 3600), &bad), []);
    while bench.lease.due().is_some() {
        let (_, steps) = bench.waits();
        assert!(steps.is_empty() || steps == [Step::Lost(Lost::Unusable(GIVEN, Flaw::Taken))], "{steps:?}");
    }
}

#[test]
fn what_has_become_unusable_when_it_is_lent_is_declined() {
    let mut bench = Bench::asking();
    assert_eq!(bench.hears(&bench.answer(2, SERVER, 3600)), []);
    assert_eq!(bench.hears_with(&bench.answer(5, SERVER, 3600), &|_| Err(Flaw::Taken)), []);
    assert_eq!((bench.kind(), bench.to), (MessageType::Decline, None));
    assert_eq!(bench.said.address(OptionCode::RequestedAddress), Some(GIVEN));
    assert_eq!(bench.lease.due(), Some(at(10)), "RFC 2131 §3.1 step 5");
    let mut bench = Bench::asking();
    assert_eq!(bench.hears(&bench.answer(2, SERVER, 3600)), []);
    let mut other = bench.answer(5, SERVER, 3600);
    other.yiaddr = Ipv4Addr::new(192, 168, 100, 51);
    assert_eq!(bench.hears(&other), []);
    assert_eq!(bench.kind(), MessageType::Decline);
}

#[test]
fn a_refusal_is_tried_again_for_a_while_and_told_with_its_words() {
    let mut bench = Bench::asking();
    let mut rounds = 0;
    let lost = loop {
        if bench.kind() == MessageType::Discover {
            assert_eq!(bench.hears(&bench.answer(2, SERVER, 3600)), []);
            let mut nak = bench.answer(6, SERVER, 0);
            nak.options.push(DhcpOption::new(OptionCode::Message, [b"go\n away".to_vec(), vec![b'x'; 200]].concat()));
            assert_eq!(bench.hears(&nak), []);
            rounds += 1;
        }
        let (_, steps) = bench.waits();
        if let [Step::Lost(lost)] = &steps[..] {
            break lost.clone();
        }
    };
    assert!((10..=17).contains(&rounds), "{rounds}");
    let Lost::Refused(SERVER, words) = lost else { panic!("{lost:?}") };
    assert!(words.starts_with("go awayx") && words.chars().count() == 80, "{words}");
}

#[test]
fn a_server_that_will_not_prolong_ends_the_lease_and_nobody_else_does() {
    let mut bench = Bench::bound(3600);
    assert_eq!(bench.hears(&bench.answer(6, SERVER, 0)), [], "nobody has asked");
    let _ = bench.waits();
    assert_eq!(bench.hears(&bench.answer(6, OTHER, 0)), [], "not its lease");
    assert_eq!(bench.hears(&bench.answer(6, SERVER, 0)), [Step::Lost(Lost::Withdrawn(SERVER, String::new()))]);
    assert_eq!((bench.lease.due(), bench.lease.release(bench.now)), (None, None));
}

#[test]
fn what_is_not_an_answer_to_what_was_asked_changes_nothing() {
    let mut bench = Bench::asking();
    let good = bench.answer(2, SERVER, 3600);
    let mut changes = vec![good.clone(); 6];
    changes[0].xid ^= 1;
    changes[1].op = Op::Request;
    changes[2].options.remove(0);
    changes[3].options.remove(1);
    changes[4].options[1] = DhcpOption::addresses(OptionCode::ServerIdentifier, &[Ipv4Addr::BROADCAST]);
    changes[5].options[0] = DhcpOption::new(OptionCode::MessageType, [5]);
    for (n, message) in changes.iter().enumerate() {
        assert_eq!(bench.hears(message), []);
        assert_eq!((n, bench.kind()), (n, MessageType::Discover));
    }
    assert_eq!(bench.hears(&good), []);
    assert_eq!(bench.hears(&bench.answer(5, OTHER, 3600)), [], "not the server that was asked");
    assert_eq!(bench.kind(), MessageType::Request);
}

#[test]
fn a_user_has_one_name_on_a_lan_and_another_for_each_session_beside_it() {
    let own = Ipv4Addr::new(192, 168, 100, 1);
    let mut names = Names::default();
    let first = names.draw("lan1", own, "taro", 1);
    let second = names.draw("lan1", own, "taro", 2);
    assert_ne!(first, second);
    assert_eq!((names.holder(first), names.holder(second), names.len()), (Some(1), Some(2), 2));
    names.give_back(first);
    assert_eq!(names.draw("lan1", own, "taro", 3), first, "the same user again");
    let fresh = |lan, own, user| Names::default().draw(lan, own, user, 1);
    assert_eq!(fresh("lan1", own, "taro"), first);
    let others = [fresh("lan2", own, "taro"), fresh("lan1", SERVER, "taro"), fresh("lan1", own, "jiro")];
    assert!(others.iter().all(|other| *other != first), "another LAN, another server, another user");
    assert_eq!(first.0[0] & 3, 2);
}

#[test]
fn a_lease_goes_on_from_a_record() {
    let mut bench = Bench::bound(3600);
    bench.lease = postcard::from_bytes(&postcard::to_allocvec(&bench.lease).unwrap()).unwrap();
    let _ = bench.waits();
    assert_eq!(bench.kind(), MessageType::Request);
}
