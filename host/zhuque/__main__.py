"""`python -m zhuque`."""

from zhuque.cli import main

if __name__ == "__main__":
    main(prog_name="zhuque")
