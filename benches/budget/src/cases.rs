//! What is measured, and what it may cost.

use std::{array, hint::black_box};

use futures_util::FutureExt;
use http::Uri;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    crypto::{JwtVerifier, aws_lc::DEFAULT_PROVIDER},
};
use tower::Layer;
use tower_pat::{
    Privilege,
    actor::{Directory, Urn},
    policy::Resource,
    token::{Salt, TokenId, TokenKey, TokenText},
    token_service::{RuleSubject, TokenLookup},
};

use crate::{
    Outcome,
    common::{self, Inner, bare, extending, inserting, request, send},
    deployment::{Deployment, Size, actor},
    marks,
};

/// Something that is measured by itself.
#[derive(Debug)]
pub struct Case {
    pub name: &'static str,
    pub budget: Budget,
    /// Other cases whose instructions are no part of the budget.
    pub besides: &'static [&'static str],
    pub allocations: Allocations,
    pub counting: Counting,
    /// Whether its set-up takes so long that only the whole table has it.
    pub is_long: bool,
}

/// How many instructions a case may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Budget {
    /// As many as it takes: it is there to compare with.
    None,
    Instructions(u64),
    /// So many for each hundred that another case takes, and no more than `most`.
    PercentOf {
        percent: u64,
        of: &'static str,
        most: u64,
    },
}

/// How often a case may allocate memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocations {
    Any,
    None,
    /// As often as another case.
    As(&'static str),
    /// Not less often, or allocations are not seen by the names by which they are counted.
    AtLeast(u64),
    /// Exactly once more often than another case.
    OnceMoreThan(&'static str),
}

/// What of a case is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counting {
    /// All of so many repetitions.
    Repetitions(u32),
    /// Each of so many by itself, up to where the store is asked for the token.
    UntilTheStoreIsAsked(u32),
}

impl Case {
    const fn new(name: &'static str, budget: Budget) -> Self {
        Self {
            name,
            budget,
            besides: &[],
            allocations: Allocations::Any,
            counting: Counting::Repetitions(2_000),
            is_long: false,
        }
    }

    const fn besides(self, besides: &'static [&'static str]) -> Self {
        Self { besides, ..self }
    }

    const fn allocations(self, allocations: Allocations) -> Self {
        Self { allocations, ..self }
    }

    const fn counting(self, counting: Counting) -> Self {
        Self { counting, ..self }
    }

    const fn long(self) -> Self {
        Self { is_long: true, ..self }
    }

    /// How often it is done to measure it.
    pub fn repetitions(&self) -> u32 {
        match self.counting {
            Counting::Repetitions(count) | Counting::UntilTheStoreIsAsked(count) => count,
        }
    }
}

const WARM: Allocations = Allocations::As("floor_extending");
/// What any warm request may take, whichever way it goes.
const MOST_WARM: u64 = 3_000;
const FLAT: Budget = Budget::PercentOf { percent: 110, of: "warm", most: MOST_WARM };
const DECISION: Budget = Budget::Instructions(2_000);

/// All of them, each behind those that it is compared with.
pub const CASES: &[Case] = &[
    Case::new("floor", Budget::None),
    Case::new("floor_extending", Budget::None).allocations(Allocations::AtLeast(1)),
    Case::new("floor_inserting", Budget::None)
        .allocations(Allocations::OnceMoreThan("floor_extending")),
    // Such a header takes long to make.
    Case::new("floor_too_long", Budget::None),
    Case::new("mac", Budget::None),
    Case::new("mac_kept", Budget::None),
    Case::new("id", Budget::None),
    Case::new("store", Budget::None),
    // Lower than what any of them may take, with room for another compiler and another libc.
    Case::new("warm", Budget::Instructions(2_950)).allocations(WARM),
    Case::new("warm_optional", FLAT).allocations(WARM),
    Case::new("warm_1000_tokens", FLAT).allocations(WARM),
    Case::new("warm_10000_tokens", FLAT).allocations(WARM).counting(Counting::Repetitions(10_000)),
    Case::new("warm_200000_tokens", FLAT)
        .allocations(WARM)
        .counting(Counting::Repetitions(200_000))
        .long(),
    Case::new("warm_10000_policies", FLAT).allocations(WARM),
    Case::new("warm_100000_revocations", FLAT).allocations(WARM),
    Case::new("warm_1000000_revocations", FLAT).allocations(WARM).long(),
    Case::new("cold_until_store", Budget::Instructions(9_000))
        .besides(&["mac_kept", "id"])
        .counting(Counting::UntilTheStoreIsAsked(40)),
    Case::new("cold", Budget::Instructions(14_000)).besides(&["mac_kept", "id", "store"]),
    Case::new("no_header", Budget::Instructions(2_300)),
    // With what its header takes in the request.
    Case::new("other_scheme", Budget::Instructions(2_800)),
    Case::new("malformed", Budget::Instructions(5_500)),
    Case::new("malformed_signature", Budget::Instructions(5_500)),
    Case::new("too_long", Budget::Instructions(2_300)).besides(&["floor_too_long"]),
    Case::new("bad_signature", Budget::Instructions(5_500)).besides(&["mac_kept"]),
    Case::new("no_header_optional", Budget::Instructions(2_300)).allocations(WARM),
    Case::new("excluded_path", Budget::Instructions(3_000)).allocations(WARM),
    Case::new("holds", Budget::Instructions(300)).allocations(Allocations::None),
    Case::new("decide_10_policies", DECISION).allocations(Allocations::None),
    Case::new("decide_1000_policies", DECISION).allocations(Allocations::None),
    Case::new("decide_10000_policies", DECISION).allocations(Allocations::None),
    Case::new("refuse_10000_policies", DECISION).allocations(Allocations::None),
];

/// A case that is ready to be done.
pub struct Ready {
    once: Box<dyn FnMut() -> u16>,
    /// The status of the answer, or 1 for what is no request.
    expected: u16,
}

impl Ready {
    /// Does it once.
    pub fn once(&mut self) -> Outcome<()> {
        let status = black_box((self.once)());
        if status == self.expected {
            return Ok(());
        }
        Err(format!("answered with {status}, not with {}", self.expected).into())
    }

    /// Does it `times` times, and has that counted.
    pub fn count(&mut self, counting: Counting, times: u32) -> Outcome<()> {
        // What happens at the first time only is no part of it.
        if matches!(counting, Counting::Repetitions(_)) {
            self.once()?;
            marks::counting_begins();
        }
        for _ in 0..times {
            if matches!(counting, Counting::UntilTheStoreIsAsked(_)) {
                marks::counting_begins();
            }
            self.once()?;
        }
        marks::counting_ends();
        Ok(())
    }
}

/// Makes a case ready, for `times` repetitions.
pub fn ready(case: &Case, times: u32) -> Outcome<Ready> {
    let number = |text: &str| Ok::<usize, Box<dyn std::error::Error>>(text.parse()?);
    match case.name.split('_').collect::<Vec<_>>()[..] {
        ["floor"] => at_floor(bare(), header()?),
        ["floor", "inserting"] => at_floor(inserting(), header()?),
        ["floor", "extending"] => at_floor(extending(), header()?),
        ["floor", "too", "long"] => at_floor(bare(), too_long()),
        ["mac"] => mac(false),
        ["mac", "kept"] => mac(true),
        ["id"] => {
            let (header, salt) = (header()?, Salt::new(common::SALT));
            let text = TokenText::new(header.trim_start_matches("Bearer ").to_owned());
            let id = text.id(&salt);
            Ok(answers(1, move || u16::from(black_box(&text).id(&salt) == id)))
        }
        ["store"] => store(),
        ["warm"] => warm(Size::ONE),
        ["warm", count, "tokens"] => {
            let count = number(count)?.min(times as usize);
            warm(Size::of(count, count.min(1_000)))
        }
        ["warm", count, "policies"] => warm(Size { policies: number(count)?, ..Size::ONE }),
        ["warm", count, "revocations"] => warm(Size { revocations: number(count)?, ..Size::ONE }),
        ["warm", "optional"] => on_layer(200, |it| it.headers[0].clone(), Mode::Optional),
        ["cold"] => warm(Size { capacity: 0, ..Size::ONE }),
        ["cold", "until", "store"] => cold(times),
        ["no", "header"] => on_layer(401, |_| String::new(), Mode::Required),
        ["no", "header", "optional"] => on_layer(200, |_| String::new(), Mode::Optional),
        ["other", "scheme"] => {
            on_layer(401, |_| "Basic dXNlcjpwYXNzd29yZA==".to_owned(), Mode::Required)
        }
        ["malformed"] => on_layer(401, |it| it.headers[0].replace('.', "_"), Mode::Required),
        ["malformed", "signature"] => {
            on_layer(401, |it| it.headers[0].clone() + "A", Mode::Required)
        }
        ["too", "long"] => on_layer(401, |_| too_long(), Mode::Required),
        ["bad", "signature"] => on_layer(401, bad_signature, Mode::Required),
        ["excluded", "path"] => on_layer(200, bad_signature, Mode::Excluded),
        ["holds"] => holds(),
        ["decide", count, "policies"] => decide(number(count)?, 7, true),
        ["refuse", count, "policies"] => {
            let count = number(count)?;
            decide(count, count + 1, false)
        }
        _ => Err("there is no such case".into()),
    }
}

fn answers(expected: u16, once: impl FnMut() -> u16 + 'static) -> Ready {
    Ready { once: Box::new(once), expected }
}

fn at_floor(mut service: Inner, header: String) -> Outcome<Ready> {
    Ok(answers(200, move || send(&mut service, request(&header))))
}

fn header() -> Outcome<String> {
    Ok(Deployment::new(Size::ONE)?.headers.remove(0))
}

/// What verifying the signature of a token takes by itself: with a verifier made for it, or with one
/// that is kept.
fn mac(is_kept: bool) -> Outcome<Ready> {
    let header = header()?;
    let (input, _) = header.rsplit_once('.').ok_or("a token has dots")?;
    let input = input.trim_start_matches("Bearer ").as_bytes().to_vec();
    let key = DecodingKey::from_secret(common::KEY.as_bytes());
    let verifier = move || (DEFAULT_PROVIDER.verifier_factory)(&Algorithm::HS256, &key);
    let kept = verifier()?;
    // Not the right one: what it takes is the same.
    let signature = vec![0; 32];
    let is_refused = move |verifier: &dyn JwtVerifier| {
        u16::from(verifier.verify(black_box(&input), &signature).is_err())
    };
    Ok(match is_kept {
        true => answers(1, move || is_refused(&*kept)),
        false => answers(1, move || verifier().map_or(0, |verifier| is_refused(&*verifier))),
    })
}

/// What is asked of the store for a token that is not remembered.
fn store() -> Outcome<Ready> {
    let deployment = Deployment::new(Size::ONE)?;
    let user = actor(0)?;
    let key = TokenKey::new(common::KEY)?;
    let text = deployment.headers[0].trim_start_matches("Bearer ").to_owned();
    let id: TokenId = TokenText::new(text).id(&Salt::new(common::SALT));
    Ok(answers(1, move || {
        let (tokens, directory) = (&*deployment.observer, &deployment.store);
        let subject = RuleSubject::new(&user, Some(&user), Some(key.id()));
        let is_known = matches!(tokens.find(&id).now_or_never(), Some(Ok(Some(_))))
            && matches!(tokens.rules(subject).now_or_never(), Some(Ok(_)))
            && matches!(directory.profile(&user).now_or_never(), Some(Ok(Some(_))));
        u16::from(is_known)
    }))
}

/// Requests with each token in turn; what may be remembered is.
fn warm(size: Size) -> Outcome<Ready> {
    let mut deployment = Deployment::new(size)?;
    deployment.remember()?;
    let mut next = 0;
    Ok(answers(200, move || {
        let header = &deployment.headers[next];
        next = (next + 1) % deployment.headers.len();
        send(&mut deployment.service, request(header))
    }))
}

/// Requests with tokens that were never seen before, and will be remembered.
fn cold(times: u32) -> Outcome<Ready> {
    let mut deployment = Deployment::new(Size::of(times as usize, 1))?;
    let mut next = 0;
    Ok(answers(200, move || {
        let Some(header) = deployment.headers.get(next) else { return 0 };
        next += 1;
        let asked = deployment.observer.asked();
        let status = send(&mut deployment.service, request(header));
        if deployment.observer.asked() == asked + 1 { status } else { 0 }
    }))
}

#[derive(Debug, Clone, Copy)]
enum Mode {
    Required,
    Optional,
    /// On a path on which nothing is judged.
    Excluded,
}

fn on_layer(
    expected: u16,
    header: impl FnOnce(&Deployment) -> String,
    mode: Mode,
) -> Outcome<Ready> {
    let mut deployment = Deployment::new(Size::ONE)?;
    deployment.remember()?;
    let layer = deployment.layer.clone();
    let layer = match mode {
        Mode::Required => layer,
        Mode::Optional => layer.optional(),
        Mode::Excluded => layer.exclude(["/health", "/config", "/public/*"]),
    };
    let mut service = layer.layer(bare());
    let header = header(&deployment);
    let uri = matches!(mode, Mode::Excluded).then(|| Uri::from_static("/config"));
    Ok(answers(expected, move || {
        // It follows the feed as long as it is there.
        let _deployment = &deployment;
        let mut request = request(&header);
        if let Some(uri) = &uri {
            *request.uri_mut() = uri.clone();
        }
        send(&mut service, request)
    }))
}

/// A header with more than is looked at.
fn too_long() -> String {
    format!("Bearer {}", "a".repeat(8 * 1_024 + 1))
}

fn bad_signature(deployment: &Deployment) -> String {
    let good = &deployment.headers[0];
    let signature = good.rfind('.').map_or(0, |dot| dot + 1);
    format!("{}{}", &good[..signature], "A".repeat(43))
}

fn holds() -> Outcome<Ready> {
    let privileges = common::privileges_of_platform()?;
    let held: [bool; 2] =
        array::from_fn(|at| privileges.holds([&HELD, &Privilege::MANAGE_POLICIES][at]));
    if held != [true, false] {
        return Err("what is held is not what was granted".into());
    }
    Ok(answers(1, move || u16::from(privileges.holds(black_box(&HELD)))))
}

const HELD: Privilege = Privilege::GENERATE_PERSONAL_ACCESS_TOKENS;

/// Whether somebody may edit a dataset, among so many policies, each about one dataset.
fn decide(policies: usize, dataset: usize, is_granted: bool) -> Outcome<Ready> {
    let privileges = common::privileges(policies)?;
    let resource = Resource::new(&format!("urn:li:dataset:d{dataset}").parse::<Urn>()?);
    let resource = resource.with_no_other_facts();
    Ok(answers(1, move || {
        let decision =
            privileges.decide_privilege(&Privilege::EDIT_ENTITY, black_box(Some(&resource)));
        u16::from(decision.is_granted() == is_granted)
    }))
}
