"use strict";
(() => {
  const pairs = [...document.querySelectorAll("article")].map((article) => ({
    real: article.querySelector(".exemplar"),
    synthesised: article.querySelector(".texture"),
  }));
  const choices = [...document.querySelectorAll(".choice")];
  const answer = document.getElementById("answer");
  const score = document.getElementById("score");
  const next = document.getElementById("next");
  const sides = ["left", "middle", "right"];
  const chance = 1 / choices.length;
  let kinds = [], odd = 0, answered = false, correct = 0, asked = 0;

  const below = (count) => Math.floor(Math.random() * count);
  const percent = (share) => Math.round(100 * share);

  // Small enough for two pieces of one picture that have no pixel in common.
  const sideOf = ({ real, synthesised }) =>
    Math.max(8, Math.floor(0.4 * Math.min(
      real.naturalWidth, real.naturalHeight,
      synthesised.naturalWidth, synthesised.naturalHeight)));

  const place = (image, side) => [
    below(image.naturalWidth - side + 1), below(image.naturalHeight - side + 1)];

  // Pieces that overlap would give themselves away as being of one picture.
  function twoPlaces(image, side) {
    for (;;) {
      const [a, b] = [place(image, side), place(image, side)];
      if (Math.abs(a[0] - b[0]) >= side || Math.abs(a[1] - b[1]) >= side) return [a, b];
    }
  }

  function draw(canvas, image, side, [x, y]) {
    canvas.width = canvas.height = side;
    canvas.getContext("2d").drawImage(image, x, y, side, side, 0, 0, side, side);
  }

  function ask() {
    const pair = pairs[below(pairs.length)];
    const side = sideOf(pair);
    const [common, other] = below(2) ? ["real", "synthesised"] : ["synthesised", "real"];
    const places = twoPlaces(pair[common], side);
    odd = below(choices.length);
    kinds = choices.map((_, number) => (number === odd ? other : common));
    answered = false;
    choices.forEach((choice, number) => {
      const image = pair[kinds[number]];
      const where = number === odd ? place(image, side) : places.pop();
      draw(choice.querySelector("canvas"), image, side, where);
      choice.classList.remove("odd", "chosen");
      choice.removeAttribute("aria-disabled");
      choice.querySelector(".verdict").textContent = "";
    });
    answer.textContent = "";
    next.hidden = true;
  }

  // Wilson, Probable inference, the law of succession, and statistical inference (JASA 1927).
  function interval(successes, trials) {
    const z = 1.96, share = successes / trials, more = z * z / trials;
    const middle = share + more / 2;
    const reach = z * Math.sqrt(share * (1 - share) / trials + more / (4 * trials));
    return [(middle - reach) / (1 + more), (middle + reach) / (1 + more)];
  }

  function tally() {
    const [low, high] = interval(correct, asked);
    const verdict = low > chance ? "You can tell them apart." :
      "No sign so far that you can tell them apart.";
    return `${correct} of ${asked} right: ${percent(correct / asked)} % ` +
      `(95 % confidence: ${percent(low)} to ${percent(high)} %; by chance ${percent(chance)} %). ` +
      verdict;
  }

  function choose(chosen) {
    if (answered) return;
    answered = true;
    asked += 1;
    const isCorrect = chosen === odd;
    if (isCorrect) correct += 1;
    choices.forEach((choice, number) => {
      if (number === odd) choice.classList.add("odd");
      if (number === chosen) choice.classList.add("chosen");
      choice.setAttribute("aria-disabled", "true");
      choice.querySelector(".verdict").textContent = kinds[number];
    });
    answer.textContent = `${isCorrect ? "Yes" : "No"}, the ${sides[odd]} one is odd: ` +
      `it is ${kinds[odd]}, the others are not.`;
    score.textContent = tally();
    next.hidden = false;
  }

  choices.forEach((choice, number) => choice.addEventListener("click", () => choose(number)));
  next.addEventListener("click", () => {
    ask();
    choices[0].focus();
  });
  Promise.all(pairs.flatMap(({ real, synthesised }) => [real.decode(), synthesised.decode()]))
    .then(() => {
      document.getElementById("game").hidden = false;
      ask();
    });
})();
