//! What was counted, beside what it may be.

use std::{collections::HashMap, fmt};

use crate::{
    Outcome,
    callgrind::Count,
    cases::{Allocations, Budget, Case},
};

/// The line of a case.
#[derive(Debug)]
pub struct Row {
    name: &'static str,
    instructions: f64,
    allocations: f64,
    besides: String,
    /// What the budget is about: without what is besides.
    rest: f64,
    budget: Option<f64>,
    /// What is wrong, if something is.
    wrong: Vec<String>,
}

/// The lines of these cases. `budgets` are other budgets than the cases' own.
pub fn rows(
    cases: &[&Case],
    counts: &[Outcome<Count, String>],
    budgets: &HashMap<String, u64>,
) -> (Vec<Row>, Vec<String>) {
    let mut known: HashMap<&str, Count> = HashMap::new();
    let (mut rows, mut wrong) = (Vec::new(), Vec::new());
    for (case, count) in cases.iter().zip(counts) {
        match count {
            Ok(count) => {
                known.insert(case.name, *count);
                let row = Row::new(case, *count, &known, budgets.get(case.name).copied());
                wrong.extend(row.wrong.iter().cloned());
                rows.push(row);
            }
            Err(error) => wrong.push(error.clone()),
        }
    }
    (rows, wrong)
}

impl Row {
    fn new(case: &Case, count: Count, known: &HashMap<&str, Count>, budget: Option<u64>) -> Self {
        let Count { instructions, allocations } = count;
        let name = case.name;
        let mut wrong = Vec::new();
        let mut other = 0.0;
        for besides in case.besides {
            match known.get(besides) {
                Some(count) => other += count.instructions,
                None => wrong.push(format!("{name}: {besides} is not known")),
            }
        }
        let rest = instructions - other;
        let budget = match (budget, case.budget) {
            (Some(budget), _) | (None, Budget::Instructions(budget)) => Some(budget as f64),
            (None, Budget::None) => None,
            (None, Budget::PercentOf { percent, of, most }) => {
                let of = known.get(of).map_or(0.0, |count| count.instructions);
                Some((of * percent as f64 / 100.0).min(most as f64))
            }
        };
        if let Some(budget) = budget.filter(|budget| rest > *budget) {
            wrong.push(format!("{name}: {rest:.0} instructions, and the budget is {budget:.0}"));
        }
        let of = |other: &str| known.get(other).map_or(f64::NAN, |count| count.allocations);
        let (least, most) = match case.allocations {
            Allocations::Any => (0.0, f64::INFINITY),
            Allocations::None => (0.0, 0.0),
            Allocations::As(other) => (0.0, of(other)),
            Allocations::AtLeast(least) => (least as f64, f64::INFINITY),
            Allocations::OnceMoreThan(other) => (of(other) + 1.0, of(other) + 1.0),
        };
        // What is not known is no limit that anything is within.
        let is_within = |least: f64, most: f64| least <= allocations && allocations <= most;
        // What is allocated beside it, now and then, is less than this.
        if !is_within(least - 0.05, most + 0.05) {
            let limit = match allocations < least {
                true => format!("there must be {least:.2}"),
                false => format!("it may be {most:.2}"),
            };
            wrong.push(format!("{name}: {allocations:.2} allocations, and {limit}"));
        }
        let besides = case.besides.join(", ");
        Self { name, instructions, allocations, besides, rest, budget, wrong }
    }

    pub const HEAD: &str = "\
| path | instructions | allocations | besides | rest | budget | of it | |
| --- | ---: | ---: | --- | ---: | ---: | ---: | --- |";
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, instructions, allocations, besides, rest, budget, wrong } = self;
        write!(f, "| {name} | {instructions:.0} | {allocations:.1} | {besides} | {rest:.0} | ")?;
        match budget {
            Some(budget) => write!(f, "{budget:.0} | {:.0} % | ", rest * 100.0 / budget)?,
            None => write!(f, "| | ")?,
        }
        f.write_str(if wrong.is_empty() { "ok |" } else { "**wrong** |" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Counting;

    const CASES: [Case; 6] = [
        case("floor", Budget::None, &[], Allocations::AtLeast(1)),
        case("inserting", Budget::None, &[], Allocations::OnceMoreThan("floor")),
        case("part", Budget::None, &[], Allocations::None),
        case("one", Budget::Instructions(1_000), &[], Allocations::As("floor")),
        case("many", MANY, &[], Allocations::As("floor")),
        case("beside", Budget::Instructions(1_000), &["part"], Allocations::Any),
    ];

    const MANY: Budget = Budget::PercentOf { percent: 110, of: "one", most: 1_050 };

    /// What all of them count where nothing is wrong.
    const GOOD: [(f64, f64); 6] =
        [(500.0, 3.0), (550.0, 4.0), (100.0, 0.0), (900.0, 3.0), (990.0, 3.0), (1_100.0, 9.0)];

    const fn case(
        name: &'static str,
        budget: Budget,
        besides: &'static [&'static str],
        allocations: Allocations,
    ) -> Case {
        let counting = Counting::Repetitions(1);
        Case { name, budget, besides, allocations, counting, is_long: false }
    }

    /// What is wrong where one of the cases counts something else.
    fn wrong(other: &str, instructions: f64, allocations: f64, budget: Option<u64>) -> Vec<String> {
        let count = |(case, (good, seldom)): (&Case, (f64, f64))| match case.name == other {
            true => Ok(Count { instructions, allocations }),
            false => Ok(Count { instructions: good, allocations: seldom }),
        };
        let counts: Vec<_> = CASES.iter().zip(GOOD).map(count).collect();
        let cases: Vec<&Case> = CASES.iter().collect();
        let budgets = budget.map(|budget| (other.to_owned(), budget)).into_iter().collect();
        let (rows, wrong) = rows(&cases, &counts, &budgets);
        assert_eq!(rows.len(), CASES.len());
        for row in rows {
            let (line, is_wrong) = (row.to_string(), !row.wrong.is_empty());
            assert!(line.ends_with(if is_wrong { "| **wrong** |" } else { "| ok |" }), "{line}");
        }
        wrong
    }

    #[test]
    fn what_is_within_its_budget_is_not_wrong() {
        assert_eq!(wrong("", 0.0, 0.0, None), [""; 0]);
        assert_eq!(wrong("one", 1_000.0, 3.0, None), [""; 0]);
        assert_eq!(wrong("one", 950.0, 2.0, Some(950)), [""; 0]);
        // Of this one, 100 are somebody else's.
        assert_eq!(wrong("beside", 1_100.0, 99.0, None), [""; 0]);
    }

    #[test]
    fn what_is_over_its_budget_is_wrong() {
        let over = "one: 1001 instructions, and the budget is 1000";
        assert_eq!(wrong("one", 1_001.0, 3.0, None), [over]);
        let over = "one: 950 instructions, and the budget is 949";
        assert_eq!(wrong("one", 950.0, 3.0, Some(949)), [over]);
        let over = "beside: 1001 instructions, and the budget is 1000";
        assert_eq!(wrong("beside", 1_101.0, 9.0, None), [over]);
    }

    #[test]
    fn what_has_the_budget_of_another_has_no_more_than_its_own() {
        assert_eq!(
            wrong("many", 991.0, 3.0, None),
            ["many: 991 instructions, and the budget is 990"]
        );
        // 110 for each hundred of 1,000 would be 1,100.
        let counts = [(1_000.0, 1_050.0, true), (1_000.0, 1_051.0, false)];
        for (one, many, is_good) in counts {
            let count = |instructions| Ok(Count { instructions, allocations: 3.0 });
            let cases = [&CASES[0], &CASES[3], &CASES[4]];
            let (_, wrong) =
                rows(&cases, &[count(500.0), count(one), count(many)], &HashMap::new());
            assert_eq!(wrong.is_empty(), is_good, "{wrong:?}");
        }
    }

    #[test]
    fn an_allocation_more_is_wrong() {
        for (name, instructions) in [("one", 900.0), ("many", 990.0)] {
            let more = format!("{name}: 4.00 allocations, and it may be 3.00");
            assert_eq!(wrong(name, instructions, 4.0, None), [more]);
            assert_eq!(wrong(name, instructions, 3.04, None), [""; 0]);
        }
        let more = "part: 1.00 allocations, and it may be 0.00";
        assert_eq!(wrong("part", 100.0, 1.0, None), [more]);
    }

    #[test]
    fn allocations_that_are_not_counted_are_wrong() {
        let none = wrong("floor", 500.0, 0.0, None);
        assert!(none.contains(&"floor: 0.00 allocations, and there must be 1.00".to_owned()));
        let too_few = "inserting: 3.00 allocations, and there must be 4.00";
        assert_eq!(wrong("inserting", 550.0, 3.0, None), [too_few]);
        let too_many = "inserting: 5.00 allocations, and it may be 4.00";
        assert_eq!(wrong("inserting", 550.0, 5.0, None), [too_many]);
    }

    #[test]
    fn what_failed_is_wrong_and_so_is_what_is_compared_with_it() {
        let failed = || Err("floor: failed".to_owned());
        let (lines, only) = rows(&[&CASES[0]], &[failed()], &HashMap::new());
        assert!(lines.is_empty());
        assert_eq!(only, ["floor: failed"]);
        let count = Ok(Count { instructions: 900.0, allocations: 0.0 });
        let (lines, both) = rows(&[&CASES[0], &CASES[3]], &[failed(), count], &HashMap::new());
        assert_eq!((lines.len(), both.len()), (1, 2), "{both:?}");
    }
}
