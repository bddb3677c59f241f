/// A message about an expression, with a mark below the place that the message names.
///
/// Prometheus and the engine name a place as `line:column: `, the column in bytes from 1, at the
/// beginning or after other words. A message that names none stands alone.
pub(super) fn shown(expr: &str, message: &str) -> String {
    let Some((line, column)) = place(expr, message) else {
        return format!("{message}\n");
    };
    // A tab in the expression is one in front of the mark, too.
    let before = line[..column].chars();
    let indent: String = before.map(|c| if c == '\t' { c } else { ' ' }).collect();
    format!("{message}\n\n  {line}\n  {indent}^\n")
}

/// The line of the expression and the byte in it that a message is about.
fn place<'e>(expr: &'e str, message: &str) -> Option<(&'e str, usize)> {
    let mut from = 0;
    while let Some(found) = message[from..].find(": ") {
        let end = from + found;
        from = end + 2;
        let word = message[..end].rsplit(' ').next()?;
        let Some((line, column)) = word.split_once(':') else {
            continue;
        };
        let (Ok(line), Ok(column)) = (line.parse::<usize>(), column.parse::<usize>()) else {
            continue;
        };
        let Some(text) = expr.split('\n').nth(line.wrapping_sub(1)) else {
            continue;
        };
        let byte = column.wrapping_sub(1);
        // What is no place in the expression is something else, such as a host and its port.
        if text.is_char_boundary(byte) {
            return Some((text, byte));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_stands_below_the_place() {
        assert_eq!(
            shown("sum(rat(x))", "1:5: parse error: unknown function"),
            "1:5: parse error: unknown function\n\n  sum(rat(x))\n      ^\n"
        );
        assert_eq!(
            shown(
                "a +\n\tö + )",
                "invalid parameter \"query\": 2:7: parse error: no"
            ),
            "invalid parameter \"query\": 2:7: parse error: no\n\n  \tö + )\n  \t    ^\n"
        );
        assert_eq!(
            shown("sum(", "1:5: parse error: unclosed"),
            "1:5: parse error: unclosed\n\n  sum(\n      ^\n"
        );
    }

    #[test]
    fn what_names_no_place_stands_alone() {
        for message in [
            "Cannot reach http://127.0.0.1:9099: connection refused",
            "bad: 3:1: there is no third line",
            "bad: 1:40: beyond the end",
            "bad: 0:0: counted from 1",
            "ö: ö:ö: ö",
        ] {
            assert_eq!(shown("up", message), format!("{message}\n"));
        }
    }
}
