//! Tokens into a tree, by precedence climbing. What the grammar alone cannot refuse, such as
//! wrong types, is left to [`crate::check`].

use crate::functions::{function, functions};
use crate::lexer::{Mode, Token, next_token};
use crate::parse_error::{ParseError, nearest};
use crate::span::Span;
use crate::syntax::{
    Aggregate, AggregateOp, At, Binary, BinaryOp, Call, Duration, Expr, ExprKind, Extension,
    Grouping, MatrixSelector, Number, Shift, Subquery, Unary, VectorSelector,
};
use series::Matcher;

/// Deepest nesting of expressions. Prometheus grows its stack instead; queries of real
/// dashboards stay below 30.
pub const MAX_DEPTH: usize = 128;

/// Longest query, in bytes.
pub const MAX_QUERY_BYTES: usize = 1 << 20;

// Boxed, because every level of nesting holds results on the stack.
type Result<T> = std::result::Result<T, Box<ParseError>>;

/// Reads a query and checks its types.
///
/// Accepts what Prometheus 3 accepts with all its experimental syntax enabled
/// (Prometheus querying/basics; the evaluator says what it cannot evaluate).
///
/// # Errors
/// [`ParseError`] with the place, what was found and what was expected; also beyond
/// [`MAX_DEPTH`] and [`MAX_QUERY_BYTES`].
pub fn parse(query: &str) -> std::result::Result<Expr, ParseError> {
    parse_boxed(query).map_err(|error| *error)
}

fn parse_boxed(query: &str) -> Result<Expr> {
    if query.len() > MAX_QUERY_BYTES {
        return Err(Box::new(ParseError::new(
            "",
            Span::default(),
            format!(
                "the query has {} bytes, more than the limit of {MAX_QUERY_BYTES}",
                query.len()
            ),
        )));
    }
    let mut parser = Parser::new(query);
    if parser.peek()? == Token::End {
        return Err(parser.fail(Span::new(0, 0), "no expression found in input"));
    }
    let (expr, _) = parser.expression(0)?;
    if parser.peek()? != Token::End {
        return Err(parser.trailing()?);
    }
    crate::check::check(query, &expr)?;
    Ok(expr)
}

/// Reads a vector selector alone, as the `match[]` parameter of Prometheus's HTTP API takes it:
/// `up{job="wiki"}`.
///
/// # Errors
/// As [`parse`]; also when the text is an expression but no plain selector.
pub fn parse_selector(text: &str) -> std::result::Result<Vec<Matcher>, ParseError> {
    let expr = parse(text)?;
    match expr.kind {
        ExprKind::Vector(selector)
            if selector.shift == Shift::default() && selector.extension.is_none() =>
        {
            Ok(selector.all_matchers())
        }
        _ => Err(ParseError::new(
            text,
            expr.span,
            "expected a series selector such as up{job=\"wiki\"}",
        )),
    }
}

pub(crate) struct Parser<'a> {
    pub(crate) query: &'a str,
    position: usize,
    pub(crate) mode: Mode,
    pub(crate) peeked: Option<(Token, Span)>,
    pub(crate) last: Span,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn new(query: &'a str) -> Self {
        Self {
            query,
            position: 0,
            mode: Mode::Expression,
            peeked: None,
            last: Span::default(),
            depth: 0,
        }
    }

    // Every function that reads an expression gives back its depth beside it, so that a long
    // chain `a + b + …`, which nests to the left, is bounded as well.
    fn expression(&mut self, lowest: u8) -> Result<(Expr, usize)> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.too_deep());
        }
        let (mut left, mut depth) = self.unary()?;
        while let Some(op) = self.peek_operator()? {
            let precedence = op.precedence();
            if precedence < lowest {
                break;
            }
            let op_span = self.advance()?.1;
            let (return_bool, matching) = self.modifiers()?;
            // Powers nest to the right, all others to the left.
            let next = if op == BinaryOp::Pow {
                precedence
            } else {
                precedence + 1
            };
            let (right, right_depth) = self.expression(next)?;
            depth = depth.max(right_depth) + 1;
            if depth > MAX_DEPTH {
                return Err(self.too_deep());
            }
            let span = left.span.merge(right.span);
            left = Expr {
                kind: ExprKind::Binary(Box::new(Binary {
                    op,
                    op_span,
                    left,
                    right,
                    return_bool,
                    matching,
                })),
                span,
            };
        }
        self.depth -= 1;
        Ok((left, depth))
    }

    fn unary(&mut self) -> Result<(Expr, usize)> {
        let negate = match self.peek()? {
            Token::Minus => true,
            Token::Plus => false,
            _ => {
                let (primary, depth) = self.primary()?;
                return self.postfix(primary, depth);
            }
        };
        let sign = self.advance()?.1;
        // A sign binds as multiplication does, so that only powers bind stronger.
        let (mut expr, depth) = self.expression(BinaryOp::Pow.precedence())?;
        let span = sign.merge(expr.span);
        if let ExprKind::Number(number) = &mut expr.kind {
            if negate {
                number.value = -number.value;
            }
            expr.span = span;
            return Ok((expr, depth));
        }
        let kind = ExprKind::Unary(Box::new(Unary { negate, expr }));
        Ok((Expr { kind, span }, depth + 1))
    }

    fn primary(&mut self) -> Result<(Expr, usize)> {
        let (token, span) = self.advance()?;
        let leaf = |kind| Ok((Expr { kind, span }, 1));
        match token {
            Token::Number(value) => leaf(ExprKind::Number(Number {
                value,
                duration: false,
            })),
            Token::Duration(milliseconds) => leaf(ExprKind::Number(Number {
                value: milliseconds as f64 / 1000.0,
                duration: true,
            })),
            Token::String(text) => leaf(ExprKind::String(text)),
            Token::LeftParen => {
                let (inner, depth) = self.expression(0)?;
                let end = self.close_paren(span)?;
                let kind = ExprKind::Paren(Box::new(inner));
                Ok((
                    Expr {
                        kind,
                        span: span.merge(end),
                    },
                    depth + 1,
                ))
            }
            Token::LeftBrace => {
                let (matchers, end) = self.matchers(span)?;
                let selector = VectorSelector {
                    name: None,
                    matchers,
                    shift: Shift::default(),
                    extension: None,
                };
                Ok((
                    Expr {
                        kind: ExprKind::Vector(Box::new(selector)),
                        span: span.merge(end),
                    },
                    1,
                ))
            }
            Token::Word => self.word(span),
            Token::End => Err(self.fail(span, "unexpected end of input, expected an expression")),
            _ => Err(self.unexpected(span, &token, None, "an expression")),
        }
    }

    /// An expression that starts with a word: an aggregation, a call or a selector.
    fn word(&mut self, span: Span) -> Result<(Expr, usize)> {
        let word = self.text(span);
        let next = self.peek()?;
        if let Some(op) = AggregateOp::from_name(word) {
            let grouped = next == Token::Word && self.peeked_word_is(&["by", "without"])?;
            if next == Token::LeftParen || grouped {
                return self.aggregate(op, span);
            }
            if next == Token::Word && self.peek_operator()?.is_none() && !self.peeked_keyword()? {
                let (token, found) = self.advance()?;
                return Err(self.unexpected(found, &token, Some("aggregation"), "\"(\""));
            }
        }
        if next == Token::LeftParen {
            return self.call(span);
        }
        const NEVER_METRICS: [&str; 6] = [
            "bool",
            "on",
            "ignoring",
            "group_left",
            "group_right",
            "atan2",
        ];
        if NEVER_METRICS.iter().any(|k| word.eq_ignore_ascii_case(k)) {
            return Err(self.fail(
                span,
                format!(
                    "unexpected <{}>, expected an expression",
                    word.to_lowercase()
                ),
            ));
        }
        let (matchers, end) = if next == Token::LeftBrace {
            let open = self.advance()?.1;
            self.matchers(open)?
        } else {
            (Vec::new(), span)
        };
        let span = span.merge(end);
        let selector = VectorSelector {
            name: Some(word.to_owned()),
            matchers,
            shift: Shift::default(),
            extension: None,
        };
        let kind = ExprKind::Vector(Box::new(selector));
        Ok((Expr { kind, span }, 1))
    }

    fn aggregate(&mut self, op: AggregateOp, start: Span) -> Result<(Expr, usize)> {
        let before = self.grouping()?;
        let open = self.expect(Token::LeftParen, "aggregation", "\"(\"")?;
        let (mut arguments, mut end, depth) = self.arguments(open)?;
        let grouping = match before {
            Some(grouping) => grouping,
            None => match self.grouping()? {
                Some(grouping) => {
                    end = self.last;
                    grouping
                }
                None => Grouping::By(Vec::new()),
            },
        };
        let span = start.merge(end);
        let wanted = 1 + usize::from(op.takes_parameter());
        if arguments.is_empty() {
            return Err(self.fail(span, "no arguments for aggregate expression provided"));
        }
        if arguments.len() != wanted {
            return Err(self.fail(
                span,
                format!(
                    "wrong number of arguments for aggregate expression provided, \
                     expected {wanted}, got {}",
                    arguments.len()
                ),
            ));
        }
        let Some(expr) = arguments.pop() else {
            return Err(self.fail(span, "no arguments for aggregate expression provided"));
        };
        let kind = ExprKind::Aggregate(Box::new(Aggregate {
            op,
            grouping,
            parameter: arguments.pop(),
            expr,
        }));
        Ok((Expr { kind, span }, depth + 1))
    }

    fn grouping(&mut self) -> Result<Option<Grouping>> {
        if self.peek()? != Token::Word {
            return Ok(None);
        }
        let by = self.peeked_word_is(&["by"])?;
        if !by && !self.peeked_word_is(&["without"])? {
            return Ok(None);
        }
        self.advance()?;
        let labels = self.labels()?;
        Ok(Some(if by {
            Grouping::By(labels)
        } else {
            Grouping::Without(labels)
        }))
    }

    fn call(&mut self, name_span: Span) -> Result<(Expr, usize)> {
        let name = self.text(name_span);
        let Some(function) = function(name) else {
            let known = functions()
                .iter()
                .map(|f| f.name)
                .chain(AggregateOp::ALL.map(AggregateOp::as_str));
            let mut error = self.fail(name_span, format!("unknown function with name {name:?}"));
            error.suggestion = nearest(name, known).map(str::to_owned);
            return Err(error);
        };
        let open = self.advance()?.1;
        let (arguments, end, depth) = self.arguments(open)?;
        let kind = ExprKind::Call(Box::new(Call {
            function,
            name_span,
            arguments,
        }));
        let span = name_span.merge(end);
        Ok((Expr { kind, span }, depth + 1))
    }

    /// Arguments up to the closing parenthesis, whose span comes second.
    fn arguments(&mut self, open: Span) -> Result<(Vec<Expr>, Span, usize)> {
        let mut arguments = Vec::new();
        let mut depth = 0;
        if self.peek()? == Token::RightParen {
            return Ok((arguments, self.advance()?.1, depth));
        }
        loop {
            let (argument, argument_depth) = self.expression(0)?;
            arguments.push(argument);
            depth = depth.max(argument_depth);
            if self.peek()? != Token::Comma {
                return Ok((arguments, self.close_paren(open)?, depth));
            }
            let comma = self.advance()?.1;
            if self.peek()? == Token::RightParen {
                return Err(self.fail(comma, "trailing commas not allowed in function call args"));
            }
        }
    }

    fn close_paren(&mut self, open: Span) -> Result<Span> {
        match self.peek()? {
            Token::RightParen => Ok(self.advance()?.1),
            Token::End => {
                let (line, column) = open.line_and_column(self.query);
                let end = Span::new(self.query.len(), self.query.len());
                Err(self.fail(
                    end,
                    format!(
                        "unexpected end of input, expected \")\" for the \"(\" at {line}:{column}"
                    ),
                ))
            }
            _ => {
                let (token, span) = self.advance()?;
                Err(self.unexpected(span, &token, None, "an operator, \",\" or \")\""))
            }
        }
    }

    /// Everything that may stand behind an expression: ranges, `offset`, `@`, `anchored`,
    /// `smoothed`.
    fn postfix(&mut self, mut expr: Expr, mut depth: usize) -> Result<(Expr, usize)> {
        loop {
            match self.peek()? {
                Token::LeftBracket => {
                    expr = self.range(expr)?;
                    depth += 1;
                }
                Token::At => {
                    self.advance()?;
                    self.at(&mut expr)?;
                }
                Token::Word if self.peeked_word_is(&["offset"])? => {
                    self.advance()?;
                    self.offset(&mut expr)?;
                }
                Token::Word if self.peeked_word_is(&["anchored", "smoothed"])? => {
                    let span = self.advance()?.1;
                    self.extension(&mut expr, span)?;
                }
                _ => return Ok((expr, depth)),
            }
            if depth > MAX_DEPTH {
                return Err(self.too_deep());
            }
        }
    }

    fn range(&mut self, expr: Expr) -> Result<Expr> {
        let open = self.advance()?.1;
        self.mode = Mode::Brackets;
        self.peeked = None;
        let range = self.positive_duration()?;
        let subquery = self.peek()? == Token::Colon;
        let mut step = None;
        if subquery {
            self.advance()?;
            if self.peek()? != Token::RightBracket {
                step = Some(self.positive_duration()?);
            }
        }
        let expected = if subquery { "\"]\"" } else { "\":\" or \"]\"" };
        let context = if subquery {
            "subquery selector"
        } else {
            "subquery or range"
        };
        let close = self.expect(Token::RightBracket, context, expected)?;
        self.mode = Mode::Expression;
        self.peeked = None;
        let span = expr.span.merge(close);
        if subquery {
            let kind = ExprKind::Subquery(Box::new(Subquery {
                expr,
                range,
                step,
                shift: Shift::default(),
            }));
            return Ok(Expr { kind, span });
        }
        let refused = match expr.kind {
            ExprKind::Vector(selector) => {
                if selector.shift.offset.is_some() {
                    "no offset modifiers allowed before range"
                } else if selector.shift.at.is_some() {
                    "no @ modifiers allowed before range"
                } else {
                    let kind = ExprKind::Matrix(Box::new(MatrixSelector {
                        selector: *selector,
                        selector_span: expr.span,
                        range,
                    }));
                    return Ok(Expr { kind, span });
                }
            }
            _ => {
                "ranges only allowed for vector selectors \
                 (write [range:step] for a subquery over an expression)"
            }
        };
        Err(self.fail(open.merge(close), refused))
    }

    fn shift_of<'e>(&self, expr: &'e mut Expr, modifier: &str) -> Result<&'e mut Shift> {
        let span = expr.span;
        match &mut expr.kind {
            ExprKind::Vector(selector) => Ok(&mut selector.shift),
            ExprKind::Matrix(matrix) => Ok(&mut matrix.selector.shift),
            ExprKind::Subquery(subquery) => Ok(&mut subquery.shift),
            _ => Err(self.fail(
                span,
                format!(
                    "{modifier} modifier must be preceded by an instant vector selector \
                     or range vector selector or a subquery"
                ),
            )),
        }
    }

    fn offset(&mut self, expr: &mut Expr) -> Result<()> {
        let offset = self.offset_duration()?;
        let span = expr.span;
        let shift = self.shift_of(expr, "offset")?;
        if shift.offset.is_some() {
            return Err(self.fail(span, "offset may not be set multiple times"));
        }
        shift.offset = Some(offset);
        expr.span = span.merge(self.last);
        Ok(())
    }

    fn at(&mut self, expr: &mut Expr) -> Result<()> {
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
        let at = match token {
            Token::Number(seconds) => self.at_time(sign * seconds, span)?,
            Token::Duration(milliseconds) => {
                self.at_time(sign * (milliseconds as f64) / 1000.0, span)?
            }
            Token::Word => {
                let word = self.text(span);
                let at = if word.eq_ignore_ascii_case("start") {
                    At::Start
                } else if word.eq_ignore_ascii_case("end") {
                    At::End
                } else {
                    return Err(self.unexpected(span, &token, Some("@"), "timestamp"));
                };
                self.expect(Token::LeftParen, "@", "\"(\"")?;
                self.expect(Token::RightParen, "@", "\")\"")?;
                at
            }
            _ => return Err(self.unexpected(span, &token, Some("@"), "timestamp")),
        };
        let span = expr.span;
        let shift = self.shift_of(expr, "@")?;
        if shift.at.is_some() {
            return Err(self.fail(span, "@ <timestamp> may not be set multiple times"));
        }
        shift.at = Some(at);
        expr.span = span.merge(self.last);
        Ok(())
    }

    fn at_time(&self, seconds: f64, span: Span) -> Result<At> {
        let milliseconds = (seconds * 1000.0).round();
        // Comparing this way round refuses NaN as well.
        let within = milliseconds > i64::MIN as f64 && milliseconds < i64::MAX as f64;
        if !within {
            return Err(self.fail(
                span,
                format!("timestamp out of bounds for @ modifier: {seconds}"),
            ));
        }
        Ok(At::Time(milliseconds as i64))
    }

    fn extension(&mut self, expr: &mut Expr, keyword: Span) -> Result<()> {
        let word = self.text(keyword).to_lowercase();
        let extension = if word == "anchored" {
            Extension::Anchored
        } else {
            Extension::Smoothed
        };
        let span = expr.span;
        let slot = match &mut expr.kind {
            ExprKind::Vector(selector) => &mut selector.extension,
            ExprKind::Matrix(matrix) => &mut matrix.selector.extension,
            ExprKind::Subquery(_) => {
                return Err(self.fail(
                    span,
                    format!("{word} modifier is not supported for subqueries"),
                ));
            }
            _ => return Err(self.fail(span, format!("{word} modifier not implemented"))),
        };
        if slot.is_some_and(|set| set != extension) {
            return Err(self.fail(
                span,
                "anchored and smoothed modifiers cannot be used together",
            ));
        }
        *slot = Some(extension);
        expr.span = span.merge(keyword);
        Ok(())
    }

    // What follows serves all of the above.

    pub(crate) fn peek(&mut self) -> Result<Token> {
        if self.peeked.is_none() {
            let read = next_token(self.query, self.position, self.mode)
                .map_err(|error| self.fail(error.span, error.message))?;
            self.peeked = Some(read);
        }
        Ok(self
            .peeked
            .as_ref()
            .map_or(Token::End, |(token, _)| token.clone()))
    }

    pub(crate) fn advance(&mut self) -> Result<(Token, Span)> {
        let token = self.peek()?;
        let span = self.peeked.take().map_or(self.last, |(_, span)| span);
        self.position = span.end;
        self.last = span;
        Ok((token, span))
    }

    pub(crate) fn text(&self, span: Span) -> &'a str {
        &self.query[span.start..span.end]
    }

    pub(crate) fn peeked_span(&self) -> Span {
        self.peeked.as_ref().map_or(self.last, |(_, span)| *span)
    }

    pub(crate) fn peeked_word_is(&mut self, words: &[&str]) -> Result<bool> {
        self.peek()?;
        let text = self.text(self.peeked_span());
        Ok(words.iter().any(|word| text.eq_ignore_ascii_case(word)))
    }

    /// Whether the next word may stand behind a metric's name.
    fn peeked_keyword(&mut self) -> Result<bool> {
        self.peeked_word_is(&["offset", "anchored", "smoothed"])
    }

    pub(crate) fn take_keyword(&mut self, words: &[&'static str]) -> Result<Option<&'static str>> {
        if self.peek()? != Token::Word {
            return Ok(None);
        }
        let text = self.text(self.peeked_span());
        let found = words
            .iter()
            .copied()
            .find(|word| text.eq_ignore_ascii_case(word));
        if found.is_some() {
            self.advance()?;
        }
        Ok(found)
    }

    pub(crate) fn parenthesis_follows(&mut self) -> Result<bool> {
        self.peek()?;
        let end = self.peeked_span().end;
        Ok(matches!(
            next_token(self.query, end, self.mode),
            Ok((Token::LeftParen, _))
        ))
    }

    fn peek_operator(&mut self) -> Result<Option<BinaryOp>> {
        Ok(Some(match self.peek()? {
            Token::Plus => BinaryOp::Add,
            Token::Minus => BinaryOp::Sub,
            Token::Star => BinaryOp::Mul,
            Token::Slash => BinaryOp::Div,
            Token::Percent => BinaryOp::Mod,
            Token::Caret => BinaryOp::Pow,
            Token::EqualEqual => BinaryOp::Equal,
            Token::NotEqual => BinaryOp::NotEqual,
            Token::Less => BinaryOp::Less,
            Token::LessEqual => BinaryOp::LessEqual,
            Token::Greater => BinaryOp::Greater,
            Token::GreaterEqual => BinaryOp::GreaterEqual,
            Token::TrimUpper => BinaryOp::TrimUpper,
            Token::TrimLower => BinaryOp::TrimLower,
            Token::Word => {
                let text = self.text(self.peeked_span());
                let named = [
                    BinaryOp::And,
                    BinaryOp::Or,
                    BinaryOp::Unless,
                    BinaryOp::Atan2,
                ];
                return Ok(named
                    .into_iter()
                    .find(|op| text.eq_ignore_ascii_case(op.as_str())));
            }
            _ => return Ok(None),
        }))
    }

    pub(crate) fn expect(&mut self, wanted: Token, context: &str, expected: &str) -> Result<Span> {
        let (token, span) = self.advance()?;
        if token == wanted {
            Ok(span)
        } else {
            Err(self.unexpected(span, &token, Some(context), expected))
        }
    }

    pub(crate) fn fail(&self, span: Span, message: impl Into<String>) -> Box<ParseError> {
        Box::new(ParseError::new(self.query, span, message))
    }

    fn too_deep(&self) -> Box<ParseError> {
        self.fail(
            self.peeked_span(),
            format!("the expression is nested more than {MAX_DEPTH} levels deep"),
        )
    }

    pub(crate) fn unexpected(
        &self,
        span: Span,
        token: &Token,
        context: Option<&str>,
        expected: &str,
    ) -> Box<ParseError> {
        let found = match token {
            Token::End => "end of input".to_owned(),
            Token::Word => format!("identifier {:?}", self.text(span)),
            Token::Number(_) => format!("number {:?}", self.text(span)),
            Token::Duration(_) => format!("duration {:?}", self.text(span)),
            Token::String(_) => format!("string {}", self.text(span)),
            _ => format!("{:?}", self.text(span)),
        };
        let within = context.map_or_else(String::new, |context| format!(" in {context}"));
        self.fail(
            span,
            format!("unexpected {found}{within}, expected {expected}"),
        )
    }

    /// The error for text behind a whole expression.
    fn trailing(&mut self) -> Result<Box<ParseError>> {
        let before = self.last;
        let (token, span) = self.advance()?;
        let mut error = self.unexpected(span, &token, None, "an operator or the end of the query");
        if token == Token::Word {
            const WORDS: [&str; 9] = [
                "and", "or", "unless", "offset", "by", "without", "on", "ignoring", "bool",
            ];
            let word = self.text(span);
            if WORDS.iter().all(|known| !known.eq_ignore_ascii_case(word)) {
                error.suggestion = nearest(word, WORDS).map(str::to_owned);
            }
        }
        if token == Token::LeftParen && before.end <= self.query.len() {
            let known = functions().iter().map(|f| f.name);
            error.suggestion = nearest(self.text(before), known).map(str::to_owned);
        }
        Ok(error)
    }

    fn positive_duration(&mut self) -> Result<Duration> {
        self.positive()
    }
}
