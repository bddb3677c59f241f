use super::dice::Dice;
use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

/// How often it is thrown who comes.
const TURN: Duration = Duration::from_millis(100);
/// Requests per turn on a usual day.
const PER_TURN: f64 = 2.0;
/// Now and then somebody links to the wiki, and for a while this many times as many come.
const BURST: f64 = 4.0;
const BURST_SHARE: f64 = 0.008;
const BURST_TURNS: u32 = 40;
/// Visitors that wait for an answer at a time; who comes then goes away again.
const PATIENT: usize = 200;

/// What somebody wants of the wiki.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Wish {
    method: Method,
    path: String,
    body: String,
}

/// Lets visitors come until `stop`.
pub(super) async fn come(wiki: Router, seed: u64, stop: CancellationToken) {
    let mut crowd = Crowd::new(seed);
    let places = Arc::new(Semaphore::new(PATIENT));
    let mut turns = tokio::time::interval(TURN);
    turns.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    while stop.run_until_cancelled(turns.tick()).await.is_some() {
        for wish in crowd.turn() {
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
                break;
            };
            let wiki = wiki.clone();
            tokio::spawn(async move {
                let request = Request::builder()
                    .method(wish.method)
                    .uri(wish.path)
                    .body(Body::from(wish.body));
                if let Ok(request) = request {
                    // What the wiki answers is in its metrics.
                    let _ = wiki.oneshot(request).await;
                }
                drop(place);
            });
        }
    }
}

struct Crowd {
    dice: Dice,
    turn: u32,
    burst_until: u32,
    /// Posts that the crowd believes to be there.
    posts: usize,
}

impl Crowd {
    fn new(seed: u64) -> Self {
        Self {
            dice: Dice::new(seed),
            turn: 0,
            burst_until: 0,
            posts: 0,
        }
    }

    /// Who comes in the next turn.
    fn turn(&mut self) -> Vec<Wish> {
        self.turn += 1;
        if self.turn > self.burst_until && self.dice.happens(BURST_SHARE) {
            self.burst_until = self.turn + BURST_TURNS;
        }
        // A day of the wiki takes a minute.
        let day = f64::from(self.turn) / 600.0 * std::f64::consts::TAU;
        let burst = if self.turn <= self.burst_until {
            BURST
        } else {
            1.0
        };
        let expected = PER_TURN * burst * (1.0 + 0.5 * day.sin());
        let certain = expected.floor();
        let one_more = self.dice.happens(expected - certain);
        let count = certain as usize + usize::from(one_more);
        (0..count).map(|_| self.wish()).collect()
    }

    fn wish(&mut self) -> Wish {
        let get = |path: String| Wish {
            method: Method::GET,
            path,
            body: String::new(),
        };
        let post = |path: &str, body: String| Wish {
            method: Method::POST,
            path: path.to_owned(),
            body,
        };
        match self.dice.below(100) {
            0..15 => get("/".to_owned()),
            15..20 => get("/users".to_owned()),
            20..26 => post("/users", String::new()),
            26..38 => {
                // Some send the form off before they have written anything.
                if self.dice.happens(0.08) {
                    return post("/posts", String::new());
                }
                self.posts += 1;
                post("/posts", format!("How we did it, part {}", self.posts))
            }
            38..55 => get("/posts".to_owned()),
            55..62 => get("/search?q=how".to_owned()),
            _ => {
                // Links go stale, and some are mistyped: a few lead behind the last post.
                let id = self.dice.below(self.posts + 1 + self.posts / 20);
                get(format!("/posts/{id}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_crowd_comes_with_the_same_seed() {
        let wishes = |seed| {
            let mut crowd = Crowd::new(seed);
            (0..100).flat_map(|_| crowd.turn()).collect::<Vec<_>>()
        };
        assert_eq!(wishes(3), wishes(3));
        assert_ne!(wishes(3), wishes(4));
    }

    #[test]
    fn a_minute_brings_every_wish_and_a_burst_brings_more() {
        let mut crowd = Crowd::new(super::super::SEED);
        let turns: Vec<Vec<Wish>> = (0..600).map(|_| crowd.turn()).collect();
        let most = turns.iter().map(Vec::len).max().unwrap();
        assert!(most >= 6, "{most}");
        let all: Vec<Wish> = turns.concat();
        for (method, path) in [
            (Method::GET, "/"),
            (Method::POST, "/users"),
            (Method::GET, "/search?q=how"),
        ] {
            let found = all.iter().any(|w| w.method == method && w.path == path);
            assert!(found, "{method} {path}");
        }
        let empty = all
            .iter()
            .filter(|w| w.path == "/posts" && w.method == Method::POST);
        assert!(empty.clone().any(|wish| wish.body.is_empty()));
        assert!(empty.clone().any(|wish| !wish.body.is_empty()));
    }
}
