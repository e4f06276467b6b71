//! Whole groups on a pretended ZooKeeper: whatever happens in whatever order, nobody reads what
//! another owns, and in the end everything is read.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ottla_metadata::TopicName;
use ottla_zk::znode::Subscription;
use proptest::prelude::*;

use super::*;

const PATIENCE: Patience = Patience {
    tries: 4,
    backoff_ms: 2000,
};
const TOPIC: &str = "t";

/// What ZooKeeper holds of the group.
#[derive(Default)]
struct Nodes {
    members: BTreeSet<String>,
    owners: BTreeMap<TopicPartition, String>,
    partitions: i32,
}

struct Member {
    id: String,
    brain: Rebalance,
    actions: VecDeque<Action>,
    /// What its driver reads.
    reads: BTreeSet<TopicPartition>,
    /// Whether a watch of its has fired that it has not heard of.
    notice: bool,
    /// Whether its session is gone without its knowing.
    expired: bool,
}

/// A group of members, some of them dead.
struct Group {
    nodes: Nodes,
    members: Vec<Member>,
    born: usize,
    now: Millis,
}

/// What may happen.
#[derive(Clone, Debug)]
enum Step {
    Join,
    /// The member's process dies and its session ends.
    Kill(usize),
    /// The member's session ends; the member hears of it later.
    Expire(usize),
    HearOfExpiry(usize),
    HearOfChange(usize),
    /// The member carries out its next action, perhaps in vain.
    Act {
        member: usize,
        fails: bool,
    },
    Grow,
    Wait(Millis),
}

fn steps() -> impl proptest::strategy::Strategy<Value = Vec<Step>> {
    let member = 0..5_usize;
    let step = prop_oneof![
        1 => Just(Step::Join),
        1 => member.clone().prop_map(Step::Kill),
        1 => member.clone().prop_map(Step::Expire),
        2 => member.clone().prop_map(Step::HearOfExpiry),
        6 => member.clone().prop_map(Step::HearOfChange),
        20 => (member, prop::bool::weighted(0.1))
            .prop_map(|(member, fails)| Step::Act { member, fails }),
        1 => Just(Step::Grow),
        3 => (0..3000_i64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..200)
}

impl Group {
    fn new() -> Group {
        Group {
            nodes: Nodes {
                partitions: 3,
                ..Nodes::default()
            },
            members: Vec::new(),
            born: 0,
            now: 0,
        }
    }

    fn apply(&mut self, step: &Step) {
        let count = self.members.len().max(1);
        match step {
            Step::Join if self.members.len() < 5 => self.join(),
            Step::Join => {}
            Step::Grow => {
                self.nodes.partitions += 1;
                self.notify();
            }
            Step::Wait(ms) => {
                self.now += ms;
                for member in 0..self.members.len() {
                    self.feed(member, Event::Tick);
                }
            }
            Step::Kill(member) if member % count < self.members.len() => {
                let id = self.members.remove(member % count).id;
                self.end_session(&id);
            }
            Step::Expire(member) if member % count < self.members.len() => {
                let member = &mut self.members[member % count];
                member.expired = true;
                let id = member.id.clone();
                self.end_session(&id);
            }
            Step::HearOfExpiry(member) if member % count < self.members.len() => {
                self.hear_of_expiry(member % count);
            }
            Step::HearOfChange(member) if member % count < self.members.len() => {
                self.hear_of_change(member % count);
            }
            Step::Act { member, fails } if member % count < self.members.len() => {
                self.act(member % count, *fails);
            }
            Step::Kill(_)
            | Step::Expire(_)
            | Step::HearOfExpiry(_)
            | Step::HearOfChange(_)
            | Step::Act { .. } => {}
        }
        self.check();
    }

    fn join(&mut self) {
        self.born += 1;
        let id = format!("g_h-{}", self.born);
        let brain = Rebalance::new(&id, AssignmentStrategy::Range, PATIENCE);
        self.members.push(Member {
            id,
            brain,
            actions: VecDeque::new(),
            reads: BTreeSet::new(),
            notice: false,
            expired: false,
        });
        self.feed(self.members.len() - 1, Event::SessionOpened);
    }

    fn feed(&mut self, member: usize, event: Event) {
        let member = &mut self.members[member];
        member.actions.extend(member.brain.step(self.now, event));
    }

    fn notify(&mut self) {
        for member in &mut self.members {
            member.notice = true;
        }
    }

    fn end_session(&mut self, id: &str) {
        self.nodes.owners.retain(|_, owner| owner != id);
        if self.nodes.members.remove(id) {
            self.notify();
        }
    }

    fn hear_of_expiry(&mut self, member: usize) {
        if std::mem::take(&mut self.members[member].expired) {
            self.feed(member, Event::SessionLost);
            self.feed(member, Event::SessionOpened);
        }
    }

    fn hear_of_change(&mut self, member: usize) {
        if std::mem::take(&mut self.members[member].notice) {
            self.feed(member, Event::Changed);
        }
    }

    fn act(&mut self, member: usize, fails: bool) {
        let Some(action) = self.members[member].actions.pop_front() else {
            return;
        };
        let id = self.members[member].id.clone();
        if self.members[member].expired && action != Action::Forget {
            // Requests of a session that has ended are refused, whatever they are.
            return self.feed(member, Event::Failed);
        }
        // Whoever fails has stopped reading, and has perhaps done the half of it.
        let event = match action {
            Action::Forget => {
                self.members[member].reads.clear();
                return;
            }
            Action::Complain => return,
            Action::GiveUp => {
                self.members.remove(member);
                return self.end_session(&id);
            }
            Action::Register => {
                if self.nodes.members.insert(id) {
                    self.notify();
                }
                Event::Registered
            }
            Action::Read => {
                self.members[member].notice = false;
                Event::Read(Some(self.view()))
            }
            Action::Release(partitions) => {
                for partition in &partitions {
                    self.members[member].reads.remove(partition);
                }
                for partition in partitions.iter().take(if fails { 1 } else { usize::MAX }) {
                    if self.nodes.owners.get(partition) == Some(&id) {
                        self.nodes.owners.remove(partition);
                    }
                }
                Event::Released
            }
            Action::Claim(wanted) => {
                let mut won = BTreeSet::new();
                for (partition, thread) in wanted {
                    assert_eq!(thread.consumer, id);
                    let owners = &mut self.nodes.owners;
                    let owner = owners
                        .entry(partition.clone())
                        .or_insert_with(|| id.clone());
                    if *owner == id {
                        won.insert(partition);
                    }
                }
                Event::Claimed(won)
            }
            Action::Start(partitions) if fails => {
                let some: BTreeSet<_> = partitions.into_iter().skip(1).collect();
                self.members[member].reads.extend(some.iter().cloned());
                Event::Started(some)
            }
            Action::Start(partitions) => {
                let reads = &mut self.members[member].reads;
                reads.extend(partitions.iter().cloned());
                Event::Started(partitions)
            }
        };
        let failed = fails && !matches!(event, Event::Started(_));
        self.feed(member, if failed { Event::Failed } else { event });
    }

    fn view(&self) -> GroupView {
        let subscription = Subscription::Static([(TOPIC.to_owned(), 1)].into());
        let members = self.nodes.members.iter();
        let members = members.map(|id| (id.clone(), subscription.clone()));
        let mut view = GroupView::new(&members.collect(), &BTreeSet::new()).unwrap();
        for topic in view.topics() {
            view.add_partitions(topic, 0..self.nodes.partitions);
        }
        view
    }

    /// Who knows of its session reads only what it owns.
    fn check(&self) {
        for member in self.members.iter().filter(|member| !member.expired) {
            // The loss is to be carried out first.
            if member.actions.contains(&Action::Forget) {
                continue;
            }
            for partition in &member.reads {
                let owner = self.nodes.owners.get(partition);
                assert_eq!(owner, Some(&member.id), "{partition}");
            }
        }
    }

    /// Lets everything come to rest.
    fn settle(&mut self) {
        for _ in 0..200 {
            for member in (0..self.members.len()).rev() {
                self.hear_of_expiry(member);
                self.hear_of_change(member);
            }
            for member in (0..self.members.len()).rev() {
                self.act(member, false);
                self.check();
            }
            self.apply(&Step::Wait(200));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(300)
    })]

    #[test]
    fn groups_come_to_rest(steps in steps()) {
        let mut group = Group::new();
        for step in &steps {
            group.apply(step);
        }
        group.settle();
        let all: BTreeSet<TopicPartition> = (0..group.nodes.partitions)
            .map(|number| TopicPartition { topic: TopicName::from(TOPIC), partition: number })
            .collect();
        let read: Vec<TopicPartition> = group.members.iter().flat_map(|m| m.reads.clone()).collect();
        if group.members.is_empty() {
            prop_assert_eq!(group.nodes.owners.len(), 0);
        } else {
            prop_assert_eq!(read.len(), all.len());
            prop_assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), all);
        }
        for member in &group.members {
            prop_assert_eq!(&member.brain.phase, &Phase::Settled);
        }
    }
}

#[test]
fn what_stays_ours_is_not_given_up() {
    let mut group = Group::new();
    group.join();
    group.settle();
    let first = group.members[0].reads.clone();
    assert_eq!(first.len(), 3);
    group.join();
    group.settle();
    // A range of two and a range of one.
    assert_eq!(group.members[0].reads.len(), 2);
    assert!(group.members[0].reads.is_subset(&first));
    // A change that does not touch our share costs nothing.
    group.feed(0, Event::Changed);
    group.act(0, false);
    assert_eq!(group.members[0].actions, []);
    assert_eq!(group.members[0].brain.phase, Phase::Settled);
}

#[test]
fn the_first_rebalance_gives_up_and_later_ones_do_not() {
    let mut group = Group::new();
    let stuck = TopicPartition::new(TOPIC, 0);
    group.nodes.owners.insert(stuck.clone(), "slow".to_owned());
    group.join();
    group.settle();
    assert_eq!(group.members.len(), 0);

    let mut group = Group::new();
    group.join();
    group.settle();
    let id = group.members[0].id.clone();
    group.apply(&Step::Expire(0));
    group.nodes.owners.insert(stuck.clone(), "slow".to_owned());
    group.settle();
    assert_eq!(group.members[0].id, id);
    assert_eq!(group.members[0].reads.len(), 2);
    group.nodes.owners.remove(&stuck);
    group.settle();
    assert_eq!(group.members[0].reads.len(), 3);
}

/// A member that claims all while it is alone, and then sees a group in which it has a third.
fn claims_then(event: Event) -> Vec<Action> {
    let mut group = Group::new();
    let ids = ["g_h-1", "g_h-2", "g_h-3"];
    let mut brain = Rebalance::new(ids[0], AssignmentStrategy::Range, PATIENCE);
    group.nodes.members.insert(ids[0].to_owned());
    brain.step(0, Event::SessionOpened);
    brain.step(0, Event::Registered);
    let claimed = brain.step(0, Event::Read(Some(group.view())));
    assert!(matches!(claimed[..], [Action::Claim(_)]), "{claimed:?}");
    brain.step(0, event);
    brain.step(PATIENCE.backoff_ms, Event::Tick);
    brain.step(PATIENCE.backoff_ms, Event::Registered);
    group.nodes.members.extend(ids.map(str::to_owned));
    brain.step(PATIENCE.backoff_ms, Event::Read(Some(group.view())))
}

/// Any of it may have been stored, in this session or in the one after it.
#[test]
fn a_claim_without_an_outcome_is_given_up() {
    let others = [1, 2].map(|number| TopicPartition::new(TOPIC, number));
    let release = vec![Action::Release(others.into())];
    assert_eq!(claims_then(Event::Failed), release);
    assert_eq!(claims_then(Event::SessionOpened), release);
}
