"""Our models against the official package, in one process: how fast, and how equal.

A benchmark yields rows, dicts of plain JSON values: `name`, `ours_s`, `baseline` (whose time
`baseline_s` is; None where there is none), `ratio` (`baseline_s` / `ours_s`) and `equal`. Seconds
are medians. Where the two sides' outputs differ, `ratio` is None and `reason` says how they differ.
"""
