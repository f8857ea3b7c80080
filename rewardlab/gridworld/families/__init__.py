"""One module per family of levels, each with the same few names, found by its own name.

    generate(cells, facts, streams, scratch, params, i) -> FINE | STUCK    draws a level
    begin(cells, facts, streams, params, i, action) -> (action, memo)      before the action; may replace it
    end(cells, facts, params, i, action, memo, reward, terminated) -> (reward, terminated)      after it
    limit(facts, params, i) -> steps                                       of the running episode; `plain`'s by default
    words(numbers) -> str                                                  the mission, from its four numbers
    SUCCESS                                                                what success means, in words

`begin` and `end` are those of `plain` where a family has no rules of its own. The position of a random draw in
`generate` is part of the family: it is where MiniGrid's own generator draws.
"""
