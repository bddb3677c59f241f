//! Reads durations: in brackets, and behind `offset`.

use crate::lexer::Token;
use crate::parse_error::ParseError;
use crate::parser::{MAX_DEPTH, Parser};
use crate::span::Span;
use crate::syntax::{BinaryOp, Duration, DurationKind, Number};

type Result<T> = std::result::Result<T, Box<ParseError>>;

/// The seconds that fit 64 bits of nanoseconds, Prometheus's bound for a duration.
const MAX_SECONDS: f64 = 9_223_372_036.854_776;

const EXPECTED: &str = "number, duration, step(), or range()";

impl Parser<'_> {
    /// A duration for a range or a step, which a plain number must not make 0 or less.
    pub(crate) fn positive(&mut self) -> Result<Duration> {
        let duration = self.duration(0, 0)?;
        if let DurationKind::Literal(number) = duration.kind
            && number.value <= 0.0
        {
            return Err(self.fail(duration.span, "duration must be greater than 0"));
        }
        Ok(duration)
    }

    /// The duration behind `offset`: without parentheses only a number, a call or a sign before
    /// these, for `x offset 2 ^ 2` means `(x offset 2) ^ 2`.
    pub(crate) fn offset_duration(&mut self) -> Result<Duration> {
        self.signed(0, |parser, depth| parser.primary_duration(depth, "offset"))
    }

    fn duration(&mut self, lowest: u8, depth: usize) -> Result<Duration> {
        if depth > MAX_DEPTH {
            return Err(self.fail(
                self.peeked_span(),
                format!("the duration is nested more than {MAX_DEPTH} levels deep"),
            ));
        }
        let mut left = self.signed(depth, |parser, depth| {
            // A sign binds as multiplication does.
            let inner = parser.primary_duration(depth, "subquery or range selector")?;
            parser.duration_operators(inner, BinaryOp::Pow.precedence(), depth)
        })?;
        left = self.duration_operators(left, lowest, depth)?;
        Ok(left)
    }

    fn duration_operators(
        &mut self,
        mut left: Duration,
        lowest: u8,
        depth: usize,
    ) -> Result<Duration> {
        let mut chain = depth;
        loop {
            let op = match self.peek()? {
                Token::Plus => BinaryOp::Add,
                Token::Minus => BinaryOp::Sub,
                Token::Star => BinaryOp::Mul,
                Token::Slash => BinaryOp::Div,
                Token::Percent => BinaryOp::Mod,
                Token::Caret => BinaryOp::Pow,
                _ => return Ok(left),
            };
            if op.precedence() < lowest {
                return Ok(left);
            }
            let op_span = self.advance()?.1;
            let next = op.precedence() + u8::from(op != BinaryOp::Pow);
            chain += 1;
            let right = self.duration(next, chain)?;
            if let (BinaryOp::Div | BinaryOp::Mod, DurationKind::Literal(number)) =
                (op, &right.kind)
                && number.value == 0.0
            {
                let what = if op == BinaryOp::Div {
                    "division by zero"
                } else {
                    "modulo by zero"
                };
                return Err(self.fail(op_span, what));
            }
            let span = left.span.merge(right.span);
            let kind = DurationKind::Binary(op, Box::new(left), Box::new(right));
            left = Duration { kind, span };
        }
    }

    fn signed(
        &mut self,
        depth: usize,
        read: impl FnOnce(&mut Self, usize) -> Result<Duration>,
    ) -> Result<Duration> {
        // Signs may repeat; only whether their number is odd matters.
        let mut start: Option<Span> = None;
        let mut negate = false;
        loop {
            match self.peek()? {
                Token::Minus => negate = !negate,
                Token::Plus => {}
                _ => break,
            }
            let span = self.advance()?.1;
            start.get_or_insert(span);
        }
        let mut inner = read(self, depth + 1)?;
        let Some(start) = start else {
            return Ok(inner);
        };
        let span = start.merge(inner.span);
        if let DurationKind::Literal(number) = &mut inner.kind {
            if negate {
                number.value = -number.value;
            }
            inner.span = span;
            return Ok(inner);
        }
        let kind = if negate {
            DurationKind::Negate(Box::new(inner))
        } else {
            inner.kind
        };
        Ok(Duration { kind, span })
    }

    fn primary_duration(&mut self, depth: usize, context: &str) -> Result<Duration> {
        let (token, span) = self.advance()?;
        let literal = |parser: &Self, value: f64, duration: bool| {
            if value.is_nan() || value.abs() > MAX_SECONDS {
                return Err(parser.fail(span, "duration out of range"));
            }
            Ok(Duration {
                kind: DurationKind::Literal(Number { value, duration }),
                span,
            })
        };
        match token {
            Token::Number(value) => literal(self, value, false),
            Token::Duration(milliseconds) => literal(self, milliseconds as f64 / 1000.0, true),
            Token::LeftParen => {
                let inner = self.duration(0, depth + 1)?;
                let end = self.expect(Token::RightParen, context, "an operator or \")\"")?;
                Ok(Duration {
                    kind: DurationKind::Paren(Box::new(inner)),
                    span: span.merge(end),
                })
            }
            Token::Word => {
                let word = self.text(span).to_lowercase();
                if !matches!(
                    word.as_str(),
                    "step" | "range" | "min" | "max" | "min_of" | "max_of"
                ) {
                    return Err(self.unexpected(span, &token, Some(context), EXPECTED));
                }
                self.expect(Token::LeftParen, context, "\"(\"")?;
                if matches!(word.as_str(), "step" | "range") {
                    let end = self.expect(Token::RightParen, context, "\")\"")?;
                    let kind = if word == "step" {
                        DurationKind::Step
                    } else {
                        DurationKind::Range
                    };
                    return Ok(Duration {
                        kind,
                        span: span.merge(end),
                    });
                }
                let left = Box::new(self.duration(0, depth + 1)?);
                self.expect(Token::Comma, context, "\",\"")?;
                let right = Box::new(self.duration(0, depth + 1)?);
                let end = self.expect(Token::RightParen, context, "\")\"")?;
                let kind = if word.starts_with("min") {
                    DurationKind::Min(left, right)
                } else {
                    DurationKind::Max(left, right)
                };
                Ok(Duration {
                    kind,
                    span: span.merge(end),
                })
            }
            _ => Err(self.unexpected(span, &token, Some(context), EXPECTED)),
        }
    }
}

impl Duration {
    /// The length in seconds, where `step` and `range` are those of the query, in seconds.
    ///
    /// Division by zero gives what floating point gives; whoever evaluates refuses what is not
    /// finite.
    #[must_use]
    pub fn seconds(&self, step: f64, range: f64) -> f64 {
        let of = |duration: &Self| duration.seconds(step, range);
        match &self.kind {
            DurationKind::Literal(number) => number.value,
            DurationKind::Step => step,
            DurationKind::Range => range,
            DurationKind::Negate(inner) => -of(inner),
            DurationKind::Paren(inner) => of(inner),
            DurationKind::Min(left, right) => of(left).min(of(right)),
            DurationKind::Max(left, right) => of(left).max(of(right)),
            DurationKind::Binary(op, left, right) => {
                let (left, right) = (of(left), of(right));
                match op {
                    BinaryOp::Add => left + right,
                    BinaryOp::Sub => left - right,
                    BinaryOp::Mul => left * right,
                    BinaryOp::Div => left / right,
                    BinaryOp::Mod => left % right,
                    BinaryOp::Pow => left.powf(right),
                    _ => f64::NAN,
                }
            }
        }
    }
}
