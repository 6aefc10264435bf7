"""What a task returned, as the bytes of an answer (protocol 4.5, 4.6; docs/results.md has the rules for values).

- ``kinds``: the formats, the kinds of result and their media types.
- ``encoding``: the entrance, ``encode``. ``returned`` finds the tables in what the task returned, or refuses it.
- ``record_frames``: a list of records as a frame.
- ``csv_tables``, ``parquet_tables``: a frame as CSV or Parquet. ``sink``: the file that every writer writes to.
- ``object_columns``: which columns of Python objects Arrow keeps as they are. ``cell_texts``: the others as text.
- ``stream``: JSON of any size, in pieces. ``survey`` says which values are too large for one piece.
- ``document``, ``values``: one piece of JSON, and what each value becomes in it. ``unwritable``: the error for a value
  without a form. ``frames``: what counts as a frame.
- ``labels``: whether a result has labels that no format sends. ``notes``: what its caller is told then.
- ``arrow_values``: Arrow arrays as Python values that lose nothing.
- ``zones``: time zones that other programs know.
- ``records``, ``columns``, ``cells``, ``times``: a frame as JSON, row by row, or faster by whole columns.
"""
