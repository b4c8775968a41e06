//! Counting the instructions and allocations of a case, by running it under callgrind.

use std::{
    collections::VecDeque,
    env, fs,
    path::Path,
    process::Command,
    sync::{Mutex, PoisonError},
    thread,
};

use crate::{
    Outcome,
    cases::{Case, Counting},
};

/// What a case takes each time.
#[derive(Debug, Clone, Copy)]
pub struct Count {
    pub instructions: f64,
    pub allocations: f64,
}

/// Counts them all, as many at once as there are processors: what others do does not count.
pub fn count(cases: &[&Case]) -> Vec<Outcome<Count, String>> {
    // The long ones first, so that they do not end last.
    let mut order: Vec<usize> = (0..cases.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(cases[*at].repetitions()));
    let waiting = Mutex::new(VecDeque::from(order));
    let counted = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
                while let Some(at) = next() {
                    let count = count_one(cases[at])
                        .map_err(|error| format!("{}: {error}", cases[at].name));
                    counted.lock().unwrap_or_else(PoisonError::into_inner).push((at, count));
                }
            });
        }
    });
    let mut counted = counted.into_inner().unwrap_or_else(PoisonError::into_inner);
    counted.sort_by_key(|(at, _)| *at);
    counted.into_iter().map(|(_, count)| count).collect()
}

fn count_one(case: &Case) -> Outcome<Count> {
    let folder = tempfile::tempdir()?;
    let ends = match case.counting {
        Counting::Repetitions(_) => "counting_ends",
        Counting::UntilTheStoreIsAsked(_) => "store_is_asked",
    };
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--compress-strings=no", "--dump-line=no"])
        .args(["--zero-before=*marks::counting_begins*", &format!("--dump-before=*marks::{ends}*")])
        .arg(format!("--callgrind-out-file={}", folder.path().join("out").display()))
        .arg(env::current_exe()?)
        .args(["--run", case.name])
        .output()
        .map_err(|error| format!("valgrind cannot be run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.lines().filter(|line| !line.starts_with("==")).collect::<Vec<_>>();
        return Err(format!("failed: {}", said.join("; ")).into());
    }
    let (parts, times) = match case.counting {
        Counting::Repetitions(times) => (1, f64::from(times)),
        Counting::UntilTheStoreIsAsked(times) => (times, 1.0),
    };
    let mut counts = (1..=parts)
        .map(|part| read(&folder.path().join(format!("out.{part}"))))
        .collect::<Outcome<Vec<_>>>()?;
    // The median, since other threads are counted too, and since the first is like no other.
    counts.sort_by_key(|(instructions, _)| *instructions);
    let (instructions, allocations) = counts.get(counts.len() / 2).ok_or("nothing was counted")?;
    Ok(Count {
        instructions: *instructions as f64 / times,
        allocations: *allocations as f64 / times,
    })
}

/// What was counted until this was written.
fn read(path: &Path) -> Outcome<(u64, u64)> {
    let text = fs::read_to_string(path).map_err(|error| format!("nothing was counted: {error}"))?;
    let totals = text.lines().find_map(|line| line.strip_prefix("totals: "));
    let totals = totals.ok_or("no total in what callgrind wrote")?;
    let mut allocations = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if let Some(("cfn", "malloc" | "calloc" | "realloc" | "posix_memalign" | "aligned_alloc")) =
            line.split_once('=')
        {
            let calls = lines.next().and_then(|line| line.strip_prefix("calls="));
            let calls = calls.and_then(|calls| calls.split(' ').next());
            allocations += calls.ok_or("a call without a number")?.parse::<u64>()?;
        }
    }
    Ok((totals.trim().parse()?, allocations))
}
