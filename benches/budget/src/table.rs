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
            (None, Budget::PercentOf(percent, of)) => {
                let of = known.get(of).map_or(0.0, |count| count.instructions);
                Some(of * percent as f64 / 100.0)
            }
        };
        if let Some(budget) = budget.filter(|budget| rest > *budget) {
            wrong.push(format!("{name}: {rest:.0} instructions, and the budget is {budget:.0}"));
        }
        let most = match case.allocations {
            Allocations::Any => f64::INFINITY,
            Allocations::None => 0.0,
            Allocations::As(other) => known.get(other).map_or(0.0, |count| count.allocations),
        };
        // What is allocated beside it, now and then, is less than this.
        if allocations > most + 0.05 {
            wrong.push(format!("{name}: {allocations:.2} allocations, and it may be {most:.2}"));
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
        f.write_str(if wrong.is_empty() { "ok |" } else { "**over** |" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::CASES;

    fn rows_of(instructions: f64, allocations: f64, budget: Option<u64>) -> Vec<String> {
        let named = |name: &str| CASES.iter().find(|case| case.name == name).expect("a case");
        let cases =
            ["floor_extending", "mac", "warm", "warm_1000_tokens", "bad_signature"].map(named);
        let floor = Ok(Count { instructions: 1_000.0, allocations: 3.0 });
        let count = || Ok(Count { instructions, allocations });
        let counts =
            [floor, Ok(Count { instructions: 100.0, allocations: 0.0 }), count(), count(), count()];
        let budgets = budget.map(|budget| ("warm".to_owned(), budget)).into_iter().collect();
        let (rows, wrong) = rows(&cases, &counts, &budgets);
        assert_eq!(rows.len(), 5);
        assert_eq!(
            rows.iter().filter(|row| row.to_string().ends_with("**over** |")).count(),
            wrong.len()
        );
        wrong
    }

    #[test]
    fn what_is_within_its_budget_is_not_wrong() {
        assert!(rows_of(3_000.0, 3.0, None).is_empty());
        assert!(rows_of(2_900.0, 3.0, Some(2_900)).is_empty());
    }

    #[test]
    fn what_is_over_its_budget_is_wrong() {
        assert_eq!(
            rows_of(3_001.0, 3.0, None),
            ["warm: 3001 instructions, and the budget is 3000"]
        );
        assert_eq!(
            rows_of(2_900.0, 3.0, Some(2_899)),
            ["warm: 2900 instructions, and the budget is 2899"]
        );
        // Of this one, 100 are somebody else's.
        assert!(rows_of(5_600.0, 3.0, Some(9_000)).is_empty());
        assert_eq!(
            rows_of(5_601.0, 3.0, Some(9_000)),
            ["bad_signature: 5501 instructions, and the budget is 5500"]
        );
    }

    #[test]
    fn an_allocation_more_is_wrong() {
        assert_eq!(
            rows_of(3_000.0, 4.0, None),
            [
                "warm: 4.00 allocations, and it may be 3.00",
                "warm_1000_tokens: 4.00 allocations, and it may be 3.00",
            ]
        );
    }

    #[test]
    fn what_failed_is_wrong() {
        let cases: Vec<&Case> = CASES.iter().take(1).collect();
        let (rows, wrong) = rows(&cases, &[Err("floor: failed".to_owned())], &HashMap::new());
        assert!(rows.is_empty());
        assert_eq!(wrong, ["floor: failed"]);
    }
}
