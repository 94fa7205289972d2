"""How far the masks can be trusted: a row a case, and a summary made of the rows."""
