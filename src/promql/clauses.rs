//! Reads what stands in braces and parentheses beside an expression: conditions on labels, lists
//! of labels, and the modifiers behind an operator.

use crate::lexer::{Mode, Token};
use crate::parse_error::ParseError;
use crate::parser::Parser;
use crate::span::Span;
use crate::syntax::{Fill, Group, Matching, Side, Text};
use series::{MatchOp, Matcher};

type Result<T> = std::result::Result<T, Box<ParseError>>;

impl Parser<'_> {
    /// `bool`, `on`, `ignoring`, `group_left`, `group_right` and `fill` behind an operator.
    pub(crate) fn modifiers(&mut self) -> Result<(bool, Matching)> {
        let mut return_bool = false;
        let mut matching = Matching::default();
        if self.take_keyword(&["bool"])?.is_some() {
            return_bool = true;
        }
        if let Some(keyword) = self.take_keyword(&["on", "ignoring"])? {
            matching.on = keyword == "on";
            matching.labels = self.labels()?;
            if let Some(keyword) = self.take_keyword(&["group_left", "group_right"])? {
                let include = if self.peek()? == Token::LeftParen {
                    self.labels()?
                } else {
                    Vec::new()
                };
                let many = if keyword == "group_left" {
                    Side::Left
                } else {
                    Side::Right
                };
                matching.group = Some(Group { many, include });
            }
        }
        matching.fill = self.fill()?;
        Ok((return_bool, matching))
    }

    fn fill(&mut self) -> Result<Fill> {
        let mut fill = Fill::default();
        // `fill` is a metric's name unless a parenthesis follows.
        while self.peek()? == Token::Word
            && self.peeked_word_is(&["fill", "fill_left", "fill_right"])?
            && self.parenthesis_follows()?
        {
            let keyword = self.advance()?.1;
            let word = self.text(keyword).to_lowercase();
            self.expect(Token::LeftParen, "fill", "\"(\"")?;
            let mut sign = 1.0;
            match self.peek()? {
                Token::Minus => {
                    self.advance()?;
                    sign = -1.0;
                }
                Token::Plus => {
                    self.advance()?;
                }
                _ => {}
            }
            let (token, span) = self.advance()?;
            let value = match token {
                Token::Number(value) => sign * value,
                Token::Duration(milliseconds) => sign * (milliseconds as f64) / 1000.0,
                _ => return Err(self.unexpected(span, &token, Some("fill"), "number")),
            };
            self.expect(Token::RightParen, "fill", "\")\"")?;
            let already = match word.as_str() {
                "fill_left" => fill.left.is_some(),
                "fill_right" => fill.right.is_some(),
                _ => fill.left.is_some() || fill.right.is_some(),
            };
            if already {
                return Err(self.fail(keyword, format!("{word} may not be set multiple times")));
            }
            if word != "fill_right" {
                fill.left = Some(value);
            }
            if word != "fill_left" {
                fill.right = Some(value);
            }
        }
        Ok(fill)
    }

    /// A list of label names in parentheses.
    pub(crate) fn labels(&mut self) -> Result<Vec<String>> {
        self.expect(Token::LeftParen, "grouping opts", "\"(\"")?;
        let mut labels = Vec::new();
        loop {
            let (token, span) = self.advance()?;
            match token {
                Token::RightParen => return Ok(labels),
                Token::Word if crate::lexer::is_plain_label(self.text(span)) => {
                    labels.push(self.text(span).to_owned());
                }
                // These words read as numbers elsewhere.
                Token::Number(_) if crate::lexer::is_plain_label(self.text(span)) => {
                    labels.push(self.text(span).to_owned());
                }
                Token::Word => {
                    let name = self.text(span);
                    return Err(
                        self.fail(span, format!("invalid label name for grouping: {name:?}"))
                    );
                }
                Token::String(text) => labels.push(self.label_name(&text, span)?),
                _ => {
                    return Err(self.unexpected(
                        span,
                        &token,
                        Some("grouping opts"),
                        "label or \")\"",
                    ));
                }
            }
            let (token, span) = self.advance()?;
            match token {
                Token::RightParen => return Ok(labels),
                Token::Comma => {}
                _ => {
                    return Err(self.unexpected(
                        span,
                        &token,
                        Some("grouping opts"),
                        "\",\" or \")\"",
                    ));
                }
            }
        }
    }

    fn label_name(&self, text: &Text, span: Span) -> Result<String> {
        match text.as_str() {
            Some(name) if !name.is_empty() => Ok(name.to_owned()),
            _ => Err(self.fail(
                span,
                format!("invalid label name for grouping: {:?}", text.to_lossy()),
            )),
        }
    }

    /// The conditions behind `open`, up to the closing brace, whose span comes second.
    pub(crate) fn matchers(&mut self, open: Span) -> Result<(Vec<Matcher>, Span)> {
        self.mode = Mode::Braces;
        self.peeked = None;
        let mut matchers = Vec::new();
        let close = loop {
            let (token, span) = self.advance()?;
            match token {
                Token::RightBrace => break span,
                Token::Word => {
                    let name = self.text(span).to_owned();
                    matchers.push(self.matcher(name, span)?);
                }
                Token::String(text) => {
                    let Some(name) = text.as_str().map(str::to_owned) else {
                        return Err(self.fail(span, "a name must be valid UTF-8"));
                    };
                    let compares = matches!(
                        self.peek()?,
                        Token::Assign | Token::NotEqual | Token::RegexMatch | Token::RegexNotMatch
                    );
                    if compares {
                        matchers.push(self.matcher(name, span)?);
                    } else {
                        matchers.push(Matcher::equal(series::METRIC_NAME, name));
                    }
                }
                Token::End => return Err(self.unclosed_brace(open)),
                _ => {
                    return Err(self.unexpected(
                        span,
                        &token,
                        Some("label matching"),
                        "identifier or \"}\"",
                    ));
                }
            }
            let (token, span) = self.advance()?;
            match token {
                Token::RightBrace => break span,
                Token::Comma => {}
                Token::End => return Err(self.unclosed_brace(open)),
                _ => {
                    return Err(self.unexpected(
                        span,
                        &token,
                        Some("label matching"),
                        "\",\" or \"}\"",
                    ));
                }
            }
        };
        self.mode = Mode::Expression;
        self.peeked = None;
        Ok((matchers, close))
    }

    fn unclosed_brace(&self, open: Span) -> Box<ParseError> {
        let (line, column) = open.line_and_column(self.query);
        let end = Span::new(self.query.len(), self.query.len());
        self.fail(
            end,
            format!(
                "unexpected end of input inside braces, \
                 expected \"}}\" for the \"{{\" at {line}:{column}"
            ),
        )
    }

    fn matcher(&mut self, name: String, name_span: Span) -> Result<Matcher> {
        let (token, span) = self.advance()?;
        let op = match token {
            Token::Assign => MatchOp::Equal,
            Token::NotEqual => MatchOp::NotEqual,
            Token::RegexMatch => MatchOp::Regex,
            Token::RegexNotMatch => MatchOp::NotRegex,
            _ => {
                return Err(self.unexpected(
                    span,
                    &token,
                    Some("label matching"),
                    "label matching operator (one of =, !=, =~, !~)",
                ));
            }
        };
        let (token, span) = self.advance()?;
        let Token::String(value) = token else {
            return Err(self.unexpected(span, &token, Some("label matching"), "string in quotes"));
        };
        Matcher::new(op, name, value.to_lossy())
            .map_err(|error| self.fail(name_span.merge(span), error.to_string()))
    }
}
