//! Short sessions with a fixed seed, and the replay of what they found.

use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use crate::mutator::mutate;
use crate::random::Random;
use crate::{TARGETS, Target};

/// Runs the corpus as it is, then `inputs` damaged inputs.
///
/// # Panics
/// When the target does, after the input was printed with the command that replays it.
pub fn run(target: &Target, seed: u64, inputs: u64) {
    let corpus = (target.corpus)();
    for (number, input) in corpus.iter().enumerate() {
        feed(target, input, &format!("number {number} of the corpus"));
    }
    for number in 0..inputs {
        // Each has a seed of its own, so that one can be had without those before it.
        let mut random = Random::new(seed.wrapping_add(number.wrapping_mul(0x2545_f491_4f6c_dd1d)));
        let input = mutate(&corpus, &mut random);
        feed(target, &input, &format!("number {number} of seed {seed}"));
    }
}

fn feed(target: &Target, input: &[u8], origin: &str) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (target.run)(input))) {
        eprintln!(
            "{} fails on input {origin}:\nOTTLA_FUZZ_INPUT={}:{} cargo test -p ottla-fuzz replay",
            target.name,
            target.name,
            hex(input)
        );
        resume_unwind(panic);
    }
}

/// Runs one input, written `target:hex`, as a failure prints it.
///
/// # Errors
/// There is no such target, or it is no hex.
///
/// # Panics
/// When the target does.
pub fn replay(input: &str) -> Result<(), String> {
    let (name, digits) = input.split_once(':').ok_or("not target:hex")?;
    let target = TARGETS.iter().find(|t| t.name == name);
    let target = target.ok_or_else(|| format!("there is no target {name}"))?;
    let bytes = (0..digits.len()).step_by(2).map(|at| {
        let pair = digits.get(at..at.saturating_add(2)).unwrap_or_default();
        u8::from_str_radix(pair, 16).map_err(|error| format!("{pair:?}: {error}"))
    });
    (target.run)(&bytes.collect::<Result<Vec<u8>, String>>()?);
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
