//! The long fault run, started by `scripts/soak.sh`: a schedule drawn from a seed, for so many
//! minutes. The same seed is the same schedule.

use std::time::{Duration, Instant};

use ottla_tests::Client;
use ottla_tests::faults::{FaultRun, Faults, Load, schedule};

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok().filter(|text| !text.is_empty())?;
    let number = text.parse();
    Some(number.expect("a number"))
}

#[test]
#[ignore = "as long as one likes: scripts/soak.sh --seed N --minutes M"]
fn soak() {
    let seed = number("OTTLA_SOAK_SEED").unwrap_or(1);
    let length = Duration::from_secs(60 * number("OTTLA_SOAK_MINUTES").unwrap_or(10));
    let most = number("OTTLA_SOAK_FAULTS").map_or(usize::MAX, |n| n as usize);
    let faults = match std::env::var("OTTLA_SOAK_NETWORK").as_deref() {
        Ok("no") => Faults::Processes,
        _ => Faults::All,
    };
    println!("seed {seed}, {} minutes", length.as_secs() / 60);
    let brokers = number("OTTLA_SOAK_BROKERS").unwrap_or(3);
    let spec = match brokers {
        0..=3 => FaultRun::spec_of(3),
        more => FaultRun::spec_of(more as usize).log_dirs(2),
    };
    let spec = match faults {
        Faults::Processes => spec.zookeeper_proxies(),
        Faults::All => spec.in_namespaces(),
    };
    let load = Load {
        foreign: match std::env::var("OTTLA_SOAK_CLIENTS").as_deref() {
            Ok("yes") => &[Client::Java, Client::Franz, Client::SaramaNewest],
            _ => &[],
        },
        churn: (brokers > 3).then_some(seed),
        ..Load::default()
    };
    let mut run = FaultRun::start(&spec, load);
    let start = Instant::now();
    let mut count = 0;
    for step in schedule(seed, load.partitions, brokers as i32, faults).take(most) {
        if start.elapsed() >= length {
            break;
        }
        println!(
            "{:7.1} s  begins: {}",
            start.elapsed().as_secs_f64(),
            step.fault
        );
        let told = run.apply(&step);
        count += 1;
        println!(
            "{:7.1} s  fault {count}: {told}",
            start.elapsed().as_secs_f64()
        );
    }
    let summary = run.finish();
    println!("seed {seed}: {count} faults, nothing lost; {summary}");
}
