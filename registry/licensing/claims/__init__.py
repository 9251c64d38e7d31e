"""What sources say about an adapter's terms, read into statements: text and parsed JSON in, dataclasses out.

Whatever is not understood is listed with the statement; no reader ever guesses, and none makes terms wider.
"""
