"""A log sink that keeps what it gets."""


class Lines(list):
    async def __call__(self, line):
        self.append(line)

    def count_of(self, word):
        return sum(word in line for line in self)
