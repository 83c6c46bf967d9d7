"""The API: what people and their clients talk to; declarer of all that they wish for."""
