// Generators inside generators: trees side by side, permutations, a sieve of primes.
//
// SPDX-License-Identifier: BSL-1.0
#include <tendril/tendril.hpp>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

using tendril::generator;

namespace {

struct tree {
    int value;
    std::unique_ptr<tree> left{}, right{};
};

void insert(std::unique_ptr<tree>& into, int value) {
    if (into) return insert(value < into->value ? into->left : into->right, value);
    into = std::make_unique<tree>(tree{value});
}

// An ordinary recursion: yield may be called at any depth.
void walk(const std::unique_ptr<tree>& t, generator<int>::yielder& yield) {
    if (!t) return;
    walk(t->left, yield);
    yield(t->value);
    walk(t->right, yield);
}

// Each is fed by the permutations of one letter less.
generator<std::string> permutations(const std::string& letters) {
    return generator<std::string>([letters](auto& yield) {
        if (letters.empty()) return void(yield(""));
        for (const std::string& rest : permutations(letters.substr(1))) {
            for (std::size_t i = 0; i <= rest.size(); ++i) {
                yield(rest.substr(0, i) + letters[0] + rest.substr(i));
            }
        }
    });
}

// Every prime found becomes one more filter, in front of those before.
generator<int> without_multiples_of(int prime, generator<int> numbers) {
    return generator<int>([prime, numbers = std::move(numbers)](auto& yield) mutable {
        for (int n : numbers) {
            if (n % prime != 0) yield(n);
        }
    });
}

}  // namespace

int main() {
    std::unique_ptr<tree> a, b;
    for (int n : {4, 2, 6, 1, 3, 5}) insert(a, n);
    for (int n : {1, 2, 3, 4, 5, 7}) insert(b, n);
    generator<int> in_a([&](auto& yield) { walk(a, yield); });
    generator<int> in_b([&](auto& yield) { walk(b, yield); });
    for (int left : in_a) {
        const int right = *in_b.next();
        std::printf("%d %s %d\n", left, left == right ? "==" : "!=", right);
    }

    for (const std::string& p : permutations("abc")) std::printf("%s ", p.c_str());
    std::printf("\n");

    generator<int> numbers([](auto& yield) {
        for (int n = 2;; ++n) yield(n);
    });
    for (int count = 0; count < 10; ++count) {
        const int prime = *numbers.next();
        std::printf("%d ", prime);
        numbers = without_multiples_of(prime, std::move(numbers));
    }
    std::printf("\n");
}
