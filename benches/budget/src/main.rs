//! What a request costs, measured beside its budget: `cargo budget`.
//!
//! Instructions and allocations are counted under callgrind, each case in a process of its own and
//! on one thread at a time, so that what else the machine does is not counted: too many are an
//! error. Callgrind knows no instructions for SHA-256, so a MAC looks dearer there than it may be.
//! Times are the least of many, taken in turn with those of the floor, and are printed only.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod callgrind;
mod cases;
mod changes;
#[allow(dead_code, reason = "each bench uses its part")]
#[path = "../../common/mod.rs"]
mod common;
mod deployment;
mod marks;
mod memory;
mod table;
mod threads;
mod times;

use std::{collections::HashMap, env, error::Error, process::ExitCode};

use self::{
    cases::{CASES, Case},
    table::Row,
};

type Outcome<T, E = Box<dyn Error>> = Result<T, E>;

const HELP: &str = "\
Usage: cargo budget [--instructions | --times] [--tokens COUNT] [--budget CASE=COUNT]...

Measures what a request costs, and prints it beside what it may cost. Ends with 1 if more
instructions or memory were needed than there are in a budget.

  --instructions       only count instructions and allocations, of what is set up quickly;
                       needs valgrind, as without it
  --times              only measure times and memory
  --tokens COUNT       how many are remembered where there are many; 1000000 if not said
  --budget CASE=COUNT  another number of instructions for one case
  --help               this text";

#[derive(Debug)]
struct Options {
    instructions: bool,
    times: bool,
    tokens: usize,
    budgets: HashMap<String, u64>,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments[..] {
        ["--run", case] => run(case).map(|()| Vec::new()),
        ["--run-memory", tokens, actors] => memory::run(tokens, actors).map(|()| Vec::new()),
        ["--help" | "-h"] => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        _ => match options(&arguments) {
            Ok(options) => measure(&options),
            Err(error) => {
                eprintln!("{error}\n\n{HELP}");
                return ExitCode::from(2);
            }
        },
    };
    match outcome {
        Ok(wrong) if wrong.is_empty() => ExitCode::SUCCESS,
        Ok(wrong) => {
            wrong.iter().for_each(|wrong| eprintln!("wrong: {wrong}"));
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn options(arguments: &[&str]) -> Outcome<Options> {
    let budgets = HashMap::new();
    let mut options = Options { instructions: true, times: true, tokens: 1_000_000, budgets };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match *argument {
            "--instructions" => options.times = false,
            "--times" => options.instructions = false,
            "--tokens" => options.tokens = value()?.parse()?,
            "--budget" => {
                let value = value()?;
                let (case, count) = value.split_once('=').ok_or("--budget needs CASE=COUNT")?;
                find(case)?;
                options.budgets.insert(case.to_owned(), count.parse()?);
            }
            _ => return Err(format!("unknown argument {argument}").into()),
        }
    }
    if !options.instructions && !options.times {
        return Err("--instructions and --times exclude each other".into());
    }
    Ok(options)
}

fn find(case: &str) -> Outcome<&'static Case> {
    CASES.iter().find(|it| it.name == case).ok_or(format!("there is no case {case}").into())
}

/// What is over its budget, or could not be measured.
fn measure(options: &Options) -> Outcome<Vec<String>> {
    let mut wrong = Vec::new();
    if options.instructions {
        let cases: Vec<&Case> = CASES.iter().filter(|it| options.times || !it.is_long).collect();
        let (rows, over) = table::rows(&cases, &callgrind::count(&cases), &options.budgets);
        println!("{}", Row::HEAD);
        rows.iter().for_each(|row| println!("{row}"));
        wrong.extend(over);
    }
    if options.times {
        wrong.extend(memory::measure(options.tokens)?);
        times::measure()?;
        times::among_many(options.tokens)?;
        threads::measure()?;
        changes::measure(options.tokens)?;
    }
    Ok(wrong)
}

/// One case, as it is counted.
fn run(case: &str) -> Outcome<()> {
    let case = find(case)?;
    cases::ready(case, case.repetitions())?.count(case.counting, case.repetitions())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_is_answered_as_it_should_be() {
        for case in CASES.iter().filter(|case| !case.is_long) {
            let ready = cases::ready(case, 3);
            let counted = ready.and_then(|mut ready| ready.count(case.counting, 3));
            assert!(counted.is_ok(), "{}: {counted:?}", case.name);
        }
    }

    #[test]
    fn options_are_understood() {
        let both = options(&["--tokens", "7", "--budget", "warm=1"]).expect("options");
        assert!(both.instructions && both.times && both.tokens == 7);
        assert_eq!(both.budgets["warm"], 1);
        let only = options(&["--instructions"]).expect("options");
        assert!(only.instructions && !only.times);
        for bad in [&["--budget", "wram=1"][..], &["--budget"], &["--tokens", "x"], &["-x"]] {
            assert!(options(bad).is_err(), "{bad:?}");
        }
        assert!(options(&["--instructions", "--times"]).is_err());
    }
}
